// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>

#include "lazyllm/error.h"

namespace lazyllm::server {

/// A request that gets no answer: OpenAI's error object with an HTTP status.
class RequestError : public std::runtime_error {
 public:
  RequestError(int status, std::string type, std::string code, const std::string& message,
               std::string param = "");
  /// What the library refused.
  explicit RequestError(const Error& error);

  int status() const { return status_; }
  const std::string& type() const { return type_; }
  const std::string& code() const { return code_; }
  const std::string& param() const { return param_; }
  /// {"error": {"message", "type", "code", "param"}}
  std::string to_json() const;

  /// Numbers that clients read where a prompt is too long for the context.
  struct ContextNumbers {
    int64_t prompt_tokens = 0, context = 0;
  };
  const std::optional<ContextNumbers>& numbers() const { return numbers_; }
  RequestError& with_numbers(ContextNumbers numbers) {
    numbers_ = numbers;
    return *this;
  }

 private:
  int status_;
  std::string type_, code_, param_;
  std::optional<ContextNumbers> numbers_;
};

/// How a protocol writes an error: a JSON text.
using ErrorText = std::string (*)(const RequestError& error);
/// {"error": {...}}
std::string openai_error(const RequestError& error);

/// Status 400: the field `param` is not what it should be.
RequestError invalid_request(const std::string& param, const std::string& message,
                             const std::string& code = "invalid_value");
/// The prompt does not fit into the context. `advice` follows on the numbers. Clients know it by
/// its type and by the words "exceeds the available context size".
RequestError context_exceeded(int64_t prompt_tokens, int64_t context, const std::string& advice);
/// For statuses that HTTP itself gives.
RequestError error_of_status(int status);
/// Any exception as what the client is told; unknown ones say nothing of the inside.
RequestError to_request_error(const std::exception& exception);

/// The seconds of Retry-After for status 503.
inline constexpr const char* kRetryAfterSeconds = "1";

}  // namespace lazyllm::server
