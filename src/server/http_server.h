// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "server/http_service.h"

namespace lazyllm::server {

/// HTTP with the limits, errors, keys and log lines of this server; knows nothing of models. One
/// thread serves all connections; threads of their own have only the requests being answered.
class HttpServer {
 public:
  explicit HttpServer(HttpOptions options);
  ~HttpServer();

  /// Before start().
  void route(const std::string& method, const std::string& path, Route route);
  /// Errors: TlsIdentity's, Error(io) when the address cannot be had, Error(overloaded) when there
  /// is no thread.
  void start();
  /// Takes no more connections, lets the requests in work end, then returns.
  void stop();
  void set_api_keys(const std::vector<std::string>& keys);
  /// Reads the certificate and its key again, for connections from now on.
  /// Errors: TlsIdentity's; the old ones go on.
  void reload_certificate();
  int port() const;

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm::server
