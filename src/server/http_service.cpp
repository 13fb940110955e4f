// SPDX-License-Identifier: Apache-2.0
#include "server/http_service.h"

#include <fmt/format.h>
#include <strings.h>

#include <charconv>

namespace lazyllm::server {
namespace {

constexpr const char* kJson = "application/json; charset=utf-8";
constexpr const char* kAllowedFields = "Authorization, Content-Type, X-Api-Key";

/// Of Access-Control-Request-Headers, which comes from outside and is sent back.
bool is_list_of_names(const std::string& text) {
  return text.size() <= 1024 &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_, ") ==
             std::string::npos;
}

}  // namespace

HttpService::HttpService(HttpOptions options)
    : options_(std::move(options)),
      keys_(std::make_shared<const ApiKeys>(options_.api_keys)),
      rules_(options_.host, options_.allowed_hosts, options_.cors_origins) {}

void HttpService::route(const std::string& method, const std::string& path, Route route) {
  routes_[path][method] = std::move(route);
}

void HttpService::set_api_keys(const std::vector<std::string>& keys) {
  std::atomic_store(&keys_, std::make_shared<const ApiKeys>(keys));
}

HttpService::Decision HttpService::decide(const HttpRequest& request) const {
  Decision decision;
  try {
    // The route first, because it says how errors look; but the head's errors go before its own.
    std::optional<RequestError> no_route;
    try {
      find_route(request, decision);
    } catch (const RequestError& error) {
      no_route = error;
    }
    check_head(request, decision.route);
    if (no_route) throw RequestError(*no_route);
    if (!decision.route->open &&
        !std::atomic_load(&keys_)->admits(request.fields.get("Authorization"),
                                          request.fields.get("X-Api-Key"))) {
      throw RequestError(401, "authentication_error", "invalid_api_key",
                         "the API key is missing or wrong; send Authorization: Bearer KEY");
    }
  } catch (const RequestError& error) {
    decision.refusal = error;
  }
  return decision;
}

void HttpService::check_head(const HttpRequest& request, const Route* route) const {
  const std::string host = request.fields.get("Host"), origin = request.fields.get("Origin");
  if (!rules_.host_is_allowed(host)) {
    throw RequestError(403, "permission_error", "host_not_allowed",
                       fmt::format("this server does not answer to the name {}; start it with "
                                   "--allowed-hosts to allow it",
                                   host));
  }
  if (!rules_.origin_is_allowed(origin, host)) {
    throw RequestError(403, "permission_error", "origin_not_allowed",
                       "a page of another origin may not use this server; start it with "
                       "--cors-origin to allow one");
  }
  const bool takes_forms = route != nullptr && route->takes_forms;
  if (!takes_forms && request.fields.get("Content-Type").starts_with("multipart/")) {
    throw RequestError(415, "invalid_request_error", "unsupported_media_type",
                       "the body is a form; send JSON with Content-Type: application/json");
  }
  const std::string coding = request.fields.get("Content-Encoding");
  if (!coding.empty() && ::strcasecmp(coding.c_str(), "identity") != 0) {
    throw RequestError(415, "invalid_request_error", "unsupported_media_type",
                       fmt::format("the body is compressed ({}); send it as it is", coding));
  }
  const std::string expected = request.fields.get("Expect");
  if (!expected.empty() && ::strcasecmp(expected.c_str(), "100-continue") != 0) {
    throw RequestError(417, "invalid_request_error", "expectation_failed",
                       "the header Expect may say 100-continue only");
  }
  const std::string length = request.fields.get("Content-Length");  // digits, if anything
  if (length.empty()) return;
  uint64_t bytes = 0;
  const auto parsed = std::from_chars(length.data(), length.data() + length.size(), bytes);
  if (parsed.ec != std::errc() || bytes > options_.limits.body_bytes) {
    throw RequestError(
        413, "invalid_request_error", "request_too_large",
        fmt::format("the body has {} bytes but this server takes at most {}; send less or raise "
                    "--max-body",
                    length, options_.limits.body_bytes));
  }
}

std::string HttpService::names_of(const Methods& methods) {
  std::string names;
  for (const auto& [name, route] : methods) names += (names.empty() ? "" : ", ") + name;
  return names;
}

const HttpService::Methods* HttpService::find_path(const std::string& path,
                                                   Decision& decision) const {
  if (const auto exact = routes_.find(path); exact != routes_.end()) {
    decision.path = path;
    return &exact->second;
  }
  for (const auto& [pattern, methods] : routes_) {
    const size_t begin = pattern.ends_with('}') ? pattern.rfind('{') : std::string::npos;
    if (begin == std::string::npos || path.size() <= begin) continue;
    if (path.compare(0, begin, pattern, 0, begin) != 0) continue;
    decision.path = pattern;
    decision.path_rest = percent_decoded(path.substr(begin), /*plus=*/false);
    return &methods;
  }
  return nullptr;
}

void HttpService::find_route(const HttpRequest& request, Decision& decision) const {
  static const Route preflight{[](Exchange& exchange) { exchange.response.status = 200; },
                               /*open=*/true, /*quick=*/true};
  const Methods* methods = find_path(request.path, decision);
  if (methods == nullptr) throw error_of_status(404);
  if (request.method == "OPTIONS") {
    decision.route = &preflight;
    return;
  }
  const auto method = methods->find(request.method == "HEAD" ? "GET" : request.method);
  if (method != methods->end()) {
    decision.route = &method->second;
    return;
  }
  throw RequestError(
      405, "invalid_request_error", "method_not_allowed",
      fmt::format("{} does not work here; use {}", request.method, names_of(*methods)));
}

void HttpService::answer(Exchange& exchange, const Decision& decision) const {
  try {
    if (decision.refusal) throw RequestError(*decision.refusal);
    exchange.path_rest = decision.path_rest;
    if (decision.route->error_text != nullptr) exchange.error_text = decision.route->error_text;
    decision.route->handler(exchange);
  } catch (const std::exception& exception) {
    respond(exchange, to_request_error(exception), decision.route);
    if (exchange.response.status >= 500) exchange.log.add("why", exception.what());
  } catch (...) {
    respond(exchange, error_of_status(500), decision.route);
  }
  exchange.response.set_header("X-Request-Id", exchange.id);
  add_cors(exchange);
}

void HttpService::add_cors(Exchange& exchange) const {
  const std::string allowed = rules_.allow_origin(exchange.request.fields.get("Origin"));
  if (allowed.empty()) return;
  HttpResponse& response = exchange.response;
  response.set_header("Access-Control-Allow-Origin", allowed);
  response.set_header("Vary", "Origin");
  response.set_header("Access-Control-Allow-Methods", "GET, POST, DELETE, OPTIONS");
  response.set_header("Access-Control-Expose-Headers",
                      "X-Request-Id, Retry-After, X-Lazyllm-Affinity");
  const std::string wanted = exchange.request.fields.get("Access-Control-Request-Headers");
  const bool echoes = !wanted.empty() && is_list_of_names(wanted);
  response.set_header("Access-Control-Allow-Headers",
                      echoes ? fmt::format("{}, {}", kAllowedFields, wanted) : kAllowedFields);
}

void HttpService::respond(Exchange& exchange, const RequestError& error, const Route* route) const {
  const ErrorText text = route == nullptr ? nullptr : route->error_text;
  HttpResponse response;
  response.status = error.status();
  response.set_content(text == nullptr ? error.to_json() : text(error), kJson);
  if (error.status() == 503) response.set_header("Retry-After", kRetryAfterSeconds);
  if (error.status() == 401) response.set_header("WWW-Authenticate", "Bearer");
  if (error.status() == 405) {
    Decision decision;
    if (const Methods* methods = find_path(exchange.request.path, decision))
      response.set_header("Allow", names_of(*methods));
  }
  exchange.response = std::move(response);
  exchange.log.add("error", error.code().empty() ? error.type() : error.code());
}

void HttpService::finish(Exchange& exchange, const std::string& path, double seconds) const {
  const int status = exchange.response.status;
  write_log(exchange.log.add("status", int64_t{status}).add("ms", seconds * 1e3));
  if (options_.on_finished) options_.on_finished(path, status, seconds);
}

}  // namespace lazyllm::server
