// SPDX-License-Identifier: Apache-2.0
#include "server/request_error.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace lazyllm::server {
namespace {

struct Kind {
  int status;
  const char* type;
  const char* code;
};

Kind kind_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
    case ErrorCode::invalid_input:
      return {400, "invalid_request_error", "invalid_value"};
    case ErrorCode::context_full:
      return {400, "exceed_context_size_error", "context_length_exceeded"};
    case ErrorCode::unsupported:
      return {501, "not_supported_error", "unsupported"};
    case ErrorCode::overloaded:
    case ErrorCode::cancelled:
      return {503, "unavailable_error", "overloaded"};
    case ErrorCode::io:
    case ErrorCode::invalid_file:
    case ErrorCode::internal:
      break;
  }
  return {500, "server_error", "internal_error"};
}

}  // namespace

RequestError::RequestError(int status, std::string type, std::string code,
                           const std::string& message, std::string param)
    : std::runtime_error(message),
      status_(status),
      type_(std::move(type)),
      code_(std::move(code)),
      param_(std::move(param)) {}

RequestError::RequestError(const Error& error)
    : RequestError(kind_of(error.code()).status, kind_of(error.code()).type,
                   kind_of(error.code()).code, error.what()) {}

std::string RequestError::to_json() const {
  const auto text_or_null = [](const std::string& text) {
    return text.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(text);
  };
  nlohmann::ordered_json json = {{"error",
                                  {{"message", what()},
                                   {"type", type_},
                                   {"code", text_or_null(code_)},
                                   {"param", text_or_null(param_)}}}};
  if (numbers_) {
    json["error"]["n_prompt_tokens"] = numbers_->prompt_tokens;
    json["error"]["n_ctx"] = numbers_->context;
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

RequestError invalid_request(const std::string& param, const std::string& message,
                             const std::string& code) {
  return {400, "invalid_request_error", code, message, param};
}

RequestError context_exceeded(int64_t prompt_tokens, int64_t context, const std::string& advice) {
  return RequestError(
             400, "exceed_context_size_error", "context_length_exceeded",
             fmt::format("the request exceeds the available context size: the prompt of {} "
                         "tokens is too large for a context of {}; shorten the prompt{}",
                         prompt_tokens, context, advice))
      .with_numbers({prompt_tokens, context});
}

RequestError error_of_status(int status) {
  const char* invalid = "invalid_request_error";
  switch (status) {
    case 400:
      return {400, invalid, "bad_request",
              "the request is not valid HTTP; check its first line and headers"};
    case 404:
      return {404, invalid, "not_found",
              "there is nothing at this path; see the documentation for the paths"};
    case 408:
      return {408, invalid, "request_timeout",
              "the request took too long to arrive; send it again"};
    case 413:
      return {413, invalid, "request_too_large",
              "the body is larger than this server takes; send less"};
    case 414:
      return {414, invalid, "uri_too_long", "the path is too long; put the data into the body"};
    case 431:
      return {431, invalid, "headers_too_large",
              "the headers are larger than this server takes; send less"};
    case 503:
      return {503, "unavailable_error", "overloaded",
              "the server has too many connections; try again in a moment"};
    default:
      return {status, status < 500 ? invalid : "server_error", "",
              "the request failed with status " + std::to_string(status)};
  }
}

RequestError to_request_error(const std::exception& exception) {
  if (const auto* refused = dynamic_cast<const RequestError*>(&exception)) return *refused;
  if (const auto* error = dynamic_cast<const Error*>(&exception)) return RequestError(*error);
  if (dynamic_cast<const std::bad_alloc*>(&exception) != nullptr) {
    return {503, "unavailable_error", "out_of_memory",
            "the server is out of memory for this request; send less or try again later"};
  }
  return {500, "server_error", "internal_error", "the server failed on this request"};
}

std::string openai_error(const RequestError& error) {
  return error.to_json();
}

}  // namespace lazyllm::server
