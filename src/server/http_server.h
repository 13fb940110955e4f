// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "server/api_keys.h"
#include "server/connection.h"
#include "server/request_error.h"
#include "server/request_log.h"

namespace lazyllm::server {

/// One request with what will be said to it. Lives until the last byte is sent.
struct Exchange {
  Connection& connection;
  const httplib::Request* request = nullptr;
  httplib::Response* response = nullptr;
  std::string id = {};
  std::string path = {};
  int status = 0;  ///< once the response is sent
  std::string body = {};
  LogLine log{"info", "request"};  ///< handlers add what they know
};

/// Answers through exchange.response, or throws.
using Handler = std::function<void(Exchange& exchange)>;

struct Route {
  Handler handler;
  bool open = false;  ///< needs no key
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  ///< 0: any that is free
  size_t threads = 128;
  ConnectionLimits limits;
  std::vector<std::string> api_keys;
  std::string cors_origin;  ///< empty: pages of other origins are turned away
  /// Told of each finished request.
  std::function<void(const std::string& path, int status, double seconds)> on_finished;
};

/// HTTP with the limits, errors, keys and log lines of this server; knows nothing of models.
class HttpServer : private httplib::Server {
 public:
  explicit HttpServer(const HttpOptions& options);
  ~HttpServer() override;

  /// Before start().
  void route(const std::string& method, const std::string& path, Route route);
  /// Errors: Error(io) when the address cannot be had.
  void start();
  /// Takes no more connections, lets the requests in work end, then returns.
  void stop();
  int port() const { return port_; }

 private:
  bool process_and_close_socket(socket_t socket) override;
  void serve(Connection& connection);
  void turn_away(Connection& connection, int status);
  /// Decides by the head alone; what it refuses is kept for answer().
  void begin(Exchange& exchange, httplib::Request& request);
  void check_head(const httplib::Request& request) const;
  void check_origin(const httplib::Request& request) const;
  const Route& find_route(const httplib::Request& request) const;
  void read_body(Exchange& exchange, const httplib::ContentReader& reader) const;
  void answer(const httplib::ContentReader* reader);
  void respond(Exchange& exchange, const RequestError& error) const;
  void finish(Exchange& exchange, double seconds);
  void bind();

  HttpOptions options_;
  ApiKeys keys_;
  std::map<std::string, std::map<std::string, Route>> routes_;  // path -> method
  std::atomic<bool> stopping_{false};
  std::thread listener_;
  int port_ = 0;
};

}  // namespace lazyllm::server
