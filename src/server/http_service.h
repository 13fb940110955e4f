// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
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
  bool open = false;               ///< needs no key
  bool quick = false;              ///< never waits, so that it needs no thread of its own
  ErrorText error_text = nullptr;  ///< of the route's protocol; null: OpenAI's
  bool takes_forms = false;        ///< a body of type multipart/form-data
};

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8080;       ///< 0: any that is free
  size_t threads = 128;  ///< requests being answered at a time
  HttpLimits limits;
  std::string certificate_file, key_file;  ///< PEM; none: plain HTTP
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

  /// A path may end in "/{name}", which stands for any rest that is not empty; an exact path goes
  /// before it.
  void route(const std::string& method, const std::string& path, Route route);

  struct Decision {
    const Route* route = nullptr;  ///< null: there is none, or the request was not understood
    std::string path;              ///< as the route has it; empty without one
    std::string path_rest;
    std::optional<RequestError> refusal;
  };
  /// Holds from the next request on.
  void set_api_keys(const std::vector<std::string>& keys);
  /// By the head alone; does not wait.
  Decision decide(const HttpRequest& request) const;
  /// Runs the handler, or refuses. Never throws.
  void answer(Exchange& exchange, const Decision& decision) const;
  /// Makes an error the response, in the form of the route's protocol.
  void respond(Exchange& exchange, const RequestError& error, const Route* route = nullptr) const;
  /// Logs and counts a request whose response is sent. `path`: empty for none of our routes.
  void finish(Exchange& exchange, const std::string& path, double seconds) const;

  const HttpOptions& options() const { return options_; }

 private:
  using Methods = std::map<std::string, Route>;
  void check_head(const HttpRequest& request, const Route* route) const;
  void find_route(const HttpRequest& request, Decision& decision) const;
  const Methods* find_path(const std::string& path, Decision& decision) const;
  static std::string names_of(const Methods& methods);
  void add_cors(Exchange& exchange) const;

  HttpOptions options_;
  std::shared_ptr<const ApiKeys> keys_;  // by atomic access
  HttpRules rules_;
  std::map<std::string, Methods> routes_;
};

}  // namespace lazyllm::server
