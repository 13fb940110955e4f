// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstring>

#include "base/error.h"
#include "server/connection_threads.h"

namespace lazyllm::server {
namespace {

using Clock = std::chrono::steady_clock;
using Handled = httplib::Server::HandlerResponse;

constexpr int kBacklog = 1024;
constexpr std::chrono::milliseconds kLinger(2000), kShortLinger(5);
constexpr const char* kJson = "application/json; charset=utf-8";

/// What the hooks of httplib share about the request that their thread works on.
struct Current {
  Exchange* exchange = nullptr;
  const Route* route = nullptr;
  std::optional<RequestError> refusal;
  bool leaves_body = false;  // unread, so that the connection cannot go on
};
thread_local Current current;

bool has_body(const httplib::Request& request) {
  const std::string length = request.get_header_value("Content-Length");
  return request.has_header("Transfer-Encoding") || (!length.empty() && length != "0");
}

/// "http://host:port" -> "host:port"
std::string authority(const std::string& origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string::npos ? origin : origin.substr(scheme + 3);
}

bool is_sane_id(const std::string& id) {
  if (id.empty() || id.size() > 64) return false;
  return id.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
         std::string::npos;
}

void set_reusable_address(socket_t socket) {
  // Not SO_REUSEPORT, httplib's default: two servers would share the port unnoticed.
  const int yes = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

}  // namespace

HttpServer::HttpServer(const HttpOptions& options) : options_(options), keys_(options.api_keys) {
  new_task_queue = [threads = options_.threads] { return new ConnectionThreads(threads); };
  set_socket_options(set_reusable_address);
  set_tcp_nodelay(true);
  set_keep_alive_max_count(1000000);  // only for the header Keep-Alive: serve() does not count
  set_payload_max_length(options_.limits.body_bytes);
  set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
    current.exchange->request = &request;
    current.exchange->response = &response;
    if (!current.refusal && request.method != "OPTIONS") return Handled::Unhandled;
    answer(nullptr);
    return Handled::Handled;
  });
  set_expect_100_continue_handler([this](const httplib::Request&, httplib::Response& response) {
    if (!current.refusal) return 100;
    current.exchange->response = &response;
    respond(*current.exchange, *current.refusal);
    return response.status;
  });
  const HandlerWithResponse on_error = [this](const httplib::Request&,
                                              httplib::Response& response) {
    if (response.body.empty() && current.exchange != nullptr) {
      current.exchange->response = &response;
      respond(*current.exchange, error_of_status(response.status));
    }
    return Handled::Handled;
  };
  set_error_handler(on_error);
  set_logger([](const httplib::Request&, const httplib::Response& response) {
    if (current.exchange != nullptr) current.exchange->status = response.status;
  });
  Get(".*", [this](const httplib::Request&, httplib::Response&) { answer(nullptr); });
  Post(".*", [this](const httplib::Request&, httplib::Response&,
                    const httplib::ContentReader& reader) { answer(&reader); });
}

HttpServer::~HttpServer() {
  stop();
}

void HttpServer::route(const std::string& method, const std::string& path, Route route) {
  routes_[path][method] = std::move(route);
}

void HttpServer::bind() {
  const int wanted = options_.port;
  errno = 0;
  port_ = wanted == 0 ? bind_to_any_port(options_.host)
                      : (bind_to_port(options_.host, wanted) ? wanted : -1);
  if (port_ > 0) {
    // httplib listens with room for 5 connections that wait to be accepted.
    ::listen(svr_sock_.load(), kBacklog);
    return;
  }
  const int reason = errno;
  if (reason == EADDRINUSE) {
    fail(ErrorCode::io, "port {} of {} is in use; stop the other server or write another --port",
         wanted, options_.host);
  }
  fail(ErrorCode::io, "cannot listen on port {} of {}: {}; check --host and --port", wanted,
       options_.host, reason != 0 ? std::strerror(reason) : "no such address here");
}

void HttpServer::start() {
  bind();
  listener_ = std::thread([this] { listen_after_bind(); });
  while (!is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

void HttpServer::stop() {
  if (!listener_.joinable()) return;
  stopping_ = true;
  httplib::Server::stop();
  listener_.join();
}

bool HttpServer::process_and_close_socket(socket_t socket) {
  Connection connection(socket, options_.limits);
  if (ConnectionThreads::is_turning_away()) {
    turn_away(connection, 503);
    connection.close_gently(kShortLinger);
  } else {
    serve(connection);
  }
  ::close(socket);
  return true;
}

void HttpServer::serve(Connection& connection) {
  for (;;) {
    const Connection::Head head = connection.read_head(stopping_);
    if (head == Connection::Head::closed) return;
    if (head != Connection::Head::ready) {
      turn_away(connection, head == Connection::Head::too_slow ? 408 : 431);
      return connection.close_gently(kLinger);
    }
    const Clock::time_point start = Clock::now();
    Exchange exchange{connection, nullptr, nullptr, new_request_id()};
    current = {&exchange, nullptr, {}, false};
    bool close = false;
    const bool sent = process_request(connection, stopping_, close,
                                      [&](httplib::Request& request) { begin(exchange, request); });
    close = close || current.leaves_body;
    finish(exchange, std::chrono::duration<double>(Clock::now() - start).count());
    current = {};
    if (!sent || close) return connection.close_gently(kLinger);
  }
}

void HttpServer::turn_away(Connection& connection, int status) {
  const RequestError error = error_of_status(status);
  const std::string body = error.to_json();
  std::string text = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n", status,
      status == 503 ? "Service Unavailable" : "Bad Request", kJson, body.size());
  if (status == 503) text += fmt::format("Retry-After: {}\r\n", kRetryAfterSeconds);
  text += "\r\n" + body;
  connection.write(text.data(), text.size());
  write_log(
      LogLine("warning", "turned_away").add("status", int64_t{status}).add("why", error.what()));
  if (options_.on_finished) options_.on_finished("", status, 0.0);
}

void HttpServer::begin(Exchange& exchange, httplib::Request& request) {
  const std::string given = request.get_header_value("X-Request-Id");
  if (is_sane_id(given)) exchange.id = given;
  exchange.path = request.path;
  exchange.log.add("request", exchange.id)
      .add("remote", request.remote_addr)
      .add("method", request.method)
      .add("path", request.path);
  // Small answers and streams are not worth compressing, and nothing here has parts.
  request.headers.erase("Accept-Encoding");
  request.headers.erase("Range");
  request.ranges.clear();
  try {
    check_head(request);
    current.route = &find_route(request);
    if (!current.route->open && !keys_.admits(request.get_header_value("Authorization"),
                                              request.get_header_value("X-Api-Key"))) {
      throw RequestError(401, "authentication_error", "invalid_api_key",
                         "the API key is missing or wrong; send Authorization: Bearer KEY");
    }
  } catch (const RequestError& error) {
    current.refusal = error;
  }
  current.leaves_body = has_body(request) && (current.refusal || request.method != "POST");
  if (current.leaves_body) {
    request.headers.erase("Connection");
    request.headers.emplace("Connection", "close");
  }
}

void HttpServer::check_head(const httplib::Request& request) const {
  check_origin(request);
  if (request.get_header_value("Content-Type").starts_with("multipart/")) {
    throw RequestError(415, "invalid_request_error", "unsupported_media_type",
                       "the body is a form; send JSON with Content-Type: application/json");
  }
  const std::string length = request.get_header_value("Content-Length");
  if (length.empty()) return;
  uint64_t bytes = 0;
  const auto parsed = std::from_chars(length.data(), length.data() + length.size(), bytes);
  if (parsed.ptr != length.data() + length.size() ||
      (parsed.ec != std::errc() && parsed.ec != std::errc::result_out_of_range)) {
    throw RequestError(400, "invalid_request_error", "bad_request",
                       "the header Content-Length is not a number");
  }
  if (parsed.ec != std::errc() || bytes > options_.limits.body_bytes) {
    throw RequestError(
        413, "invalid_request_error", "request_too_large",
        fmt::format("the body has {} bytes but this server takes at most {}; send less or raise "
                    "--max-body",
                    length, options_.limits.body_bytes));
  }
}

void HttpServer::check_origin(const httplib::Request& request) const {
  const std::string origin = request.get_header_value("Origin");
  if (origin.empty() || options_.cors_origin == "*" || origin == options_.cors_origin) return;
  if (authority(origin) == request.get_header_value("Host")) return;
  throw RequestError(403, "permission_error", "origin_not_allowed",
                     "a page of another origin may not use this server; start it with "
                     "--cors-origin to allow one");
}

const Route& HttpServer::find_route(const httplib::Request& request) const {
  static const Route preflight{[](Exchange&) {}, true};
  const auto path = routes_.find(request.path);
  if (path == routes_.end()) throw error_of_status(404);
  if (request.method == "OPTIONS") return preflight;
  const auto method = path->second.find(request.method == "HEAD" ? "GET" : request.method);
  if (method != path->second.end()) return method->second;
  std::string allowed;
  for (const auto& [name, route] : path->second) allowed += (allowed.empty() ? "" : ", ") + name;
  throw RequestError(405, "invalid_request_error", "method_not_allowed",
                     fmt::format("{} does not work here; use {}", request.method, allowed));
}

void HttpServer::read_body(Exchange& exchange, const httplib::ContentReader& reader) const {
  const size_t most = options_.limits.body_bytes;
  bool too_large = false;
  const bool complete = reader([&](const char* data, size_t size) {
    too_large = exchange.body.size() + size > most;  // a compressed body counts unpacked
    if (!too_large) exchange.body.append(data, size);
    return !too_large;
  });
  if (complete) return;
  current.leaves_body = true;
  exchange.response->set_header("Connection", "close");
  if (too_large || exchange.connection.body_too_large()) throw error_of_status(413);
  throw error_of_status(exchange.connection.body_too_slow() ? 408 : 400);
}

void HttpServer::answer(const httplib::ContentReader* reader) {
  Exchange& exchange = *current.exchange;
  httplib::Response& response = *exchange.response;
  try {
    if (current.refusal) throw RequestError(*current.refusal);
    if (reader != nullptr) read_body(exchange, *reader);
    response.status = exchange.request->method == "OPTIONS" ? 204 : 200;
    current.route->handler(exchange);
  } catch (const std::exception& exception) {
    respond(exchange, to_request_error(exception));
    if (response.status >= 500) exchange.log.add("why", exception.what());
  }
  response.set_header("X-Request-Id", exchange.id);
  if (options_.cors_origin.empty()) return;
  response.set_header("Access-Control-Allow-Origin", options_.cors_origin);
  response.set_header("Vary", "Origin");
  response.set_header("Access-Control-Allow-Methods", "GET, POST, OPTIONS");
  response.set_header("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Api-Key");
}

void HttpServer::respond(Exchange& exchange, const RequestError& error) const {
  httplib::Response& response = *exchange.response;
  response.status = error.status();
  response.set_content(error.to_json(), kJson);
  if (error.status() == 503) response.set_header("Retry-After", kRetryAfterSeconds);
  if (error.status() == 401) response.set_header("WWW-Authenticate", "Bearer");
  if (error.status() == 405) {
    const auto path = routes_.find(exchange.path);
    std::string allowed;
    if (path != routes_.end()) {
      for (const auto& [name, route] : path->second)
        allowed += (allowed.empty() ? "" : ", ") + name;
    }
    response.set_header("Allow", allowed);
  }
  exchange.log.add("error", error.code().empty() ? error.type() : error.code());
}

void HttpServer::finish(Exchange& exchange, double seconds) {
  write_log(exchange.log.add("status", int64_t{exchange.status}).add("ms", seconds * 1e3));
  if (!options_.on_finished) return;
  options_.on_finished(current.route != nullptr ? exchange.path : "", exchange.status, seconds);
}

}  // namespace lazyllm::server
