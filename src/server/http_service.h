// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/api_keys.h"
#include "server/http_limits.h"
#include "server/http_message.h"
#include "server/http_rules.h"
#include "server/request_error.h"

namespace lazyllm::server {

/// Answers through exchange.response, or throws.
using Handler = std::function<void(Exchange& exchange)>;

struct Route {
  Handler handler;
  bool open = false;   ///< needs no key
  bool quick = false;  ///< never waits, so that it needs no thread of its own
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;       ///< 0: any that is free
  size_t threads = 128;  ///< requests being answered at a time
  HttpLimits limits;
  std::vector<std::string> api_keys;
  std::vector<std::string> allowed_hosts;  ///< beside those of this machine
  std::vector<std::string> cors_origins;   ///< none: pages of other origins are turned away
  /// Told of each finished request.
  std::function<void(const std::string& path, int status, double seconds)> on_finished;
};

/// What is decided about requests without knowing sockets: routes, keys, hosts, origins, sizes and
/// how errors look. Thread-safe once all routes are there.
class HttpService {
 public:
  explicit HttpService(HttpOptions options);

  void route(const std::string& method, const std::string& path, Route route);

  struct Decision {
    const Route* route = nullptr;
    std::optional<RequestError> refusal;
  };
  /// By the head alone; does not wait.
  Decision decide(const HttpRequest& request) const;
  /// Runs the handler, or refuses. Never throws.
  void answer(Exchange& exchange, const Decision& decision) const;
  /// Makes an error the response.
  void respond(Exchange& exchange, const RequestError& error) const;
  /// Logs and counts a request whose response is sent. `path`: empty for none of our routes.
  void finish(Exchange& exchange, const std::string& path, double seconds) const;

  const HttpOptions& options() const { return options_; }

 private:
  void check_head(const HttpRequest& request) const;
  const Route& find_route(const HttpRequest& request) const;
  std::string methods_of(const std::string& path) const;
  void add_cors(Exchange& exchange) const;

  HttpOptions options_;
  ApiKeys keys_;
  HttpRules rules_;
  std::map<std::string, std::map<std::string, Route>> routes_;  // path -> method
};

}  // namespace lazyllm::server
