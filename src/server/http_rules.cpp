// SPDX-License-Identifier: Apache-2.0
#include "server/http_rules.h"

#include <algorithm>

#include "base/lower_ascii.h"

namespace lazyllm::server {
namespace {

/// "name:80" -> "name", "[::1]:80" -> "::1"
std::string without_port(std::string_view host) {
  if (host.starts_with('[')) return lower_ascii(host.substr(1, host.find(']') - 1));
  std::string name = lower_ascii(host.substr(0, host.find(':')));
  while (name.ends_with('.')) name.pop_back();  // "localhost." is localhost
  return name;
}

bool is_loopback(std::string_view name) {
  return name == "localhost" || name == "::1" || name.ends_with(".localhost") ||
         (name.starts_with("127.") &&
          name.find_first_not_of("0123456789.") == std::string_view::npos);
}

/// "http://host:port" -> "host:port"
std::string_view authority(std::string_view origin) {
  const size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? origin : origin.substr(scheme + 3);
}

}  // namespace

HttpRules::HttpRules(std::string bound_host, std::vector<std::string> allowed_hosts,
                     std::vector<std::string> origins)
    : bound_host_(lower_ascii(bound_host)),
      origins_(std::move(origins)),
      checks_hosts_(is_loopback(bound_host_) || !allowed_hosts.empty()) {
  for (const std::string& host : allowed_hosts) allowed_hosts_.push_back(without_port(host));
}

bool HttpRules::host_is_allowed(std::string_view host) const {
  if (!checks_hosts_ || host.empty()) return true;  // HTTP/1.0 sends none, and pages are newer
  const std::string name = without_port(host);
  const auto is_it = [&](const std::string& allowed) { return allowed == name || allowed == "*"; };
  return is_loopback(name) || name == bound_host_ ||
         std::any_of(allowed_hosts_.begin(), allowed_hosts_.end(), is_it);
}

bool HttpRules::is_listed(std::string_view origin) const {
  return std::any_of(origins_.begin(), origins_.end(), [&](const std::string& listed) {
    if (listed == "*" || listed == origin) return true;
    if (listed == "localhost" && (origin.starts_with("http://") || origin.starts_with("https://")))
      return is_loopback(without_port(authority(origin)));
    const bool any_port = is_loopback(without_port(authority(listed))) &&
                          authority(listed).find(':') == std::string_view::npos;
    return any_port && origin.size() > listed.size() && origin.starts_with(listed) &&
           origin[listed.size()] == ':' &&
           origin.find_first_not_of("0123456789", listed.size() + 1) == std::string_view::npos;
  });
}

bool HttpRules::origin_is_allowed(std::string_view origin, std::string_view host) const {
  return origin.empty() || is_listed(origin) || authority(origin) == host;
}

std::string HttpRules::allow_origin(std::string_view origin) const {
  if (std::find(origins_.begin(), origins_.end(), "*") != origins_.end()) return "*";
  if (!origin.empty() && is_listed(origin)) return std::string(origin);
  return origins_.empty() ? std::string() : origins_.front();
}

}  // namespace lazyllm::server
