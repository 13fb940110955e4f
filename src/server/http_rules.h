// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::server {

/// Which pages and which names of this server may be used.
///
/// A page of somebody else's can point its own name at this machine (DNS rebinding) and then asks
/// with a Host and an Origin that agree. So a server that listens to this machine only answers to
/// this machine's names, and to those it was told.
class HttpRules {
 public:
  /// `bound_host`: where the server listens. `allowed_hosts`: further names, without a port.
  /// `origins`: whose pages may ask; "*": all; "http://localhost" without a port: all of its ports;
  /// "localhost": every page of this machine.
  HttpRules(std::string bound_host, std::vector<std::string> allowed_hosts,
            std::vector<std::string> origins);

  /// `host`: the field Host, maybe with a port.
  bool host_is_allowed(std::string_view host) const;
  /// An empty origin is no page's. `host` has passed host_is_allowed().
  bool origin_is_allowed(std::string_view origin, std::string_view host) const;
  /// What Access-Control-Allow-Origin says to this origin; empty: the field is left out.
  std::string allow_origin(std::string_view origin) const;

 private:
  bool is_listed(std::string_view origin) const;

  std::string bound_host_;
  std::vector<std::string> allowed_hosts_, origins_;
  bool checks_hosts_;
};

}  // namespace lazyllm::server
