// SPDX-License-Identifier: Apache-2.0
#include "server/http_head_check.h"

#include <strings.h>

#include <algorithm>

namespace lazyllm::server {
namespace {

constexpr size_t kMostLengthDigits = 18;  // what fits into 64 bits for sure

bool is_token_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

bool is_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_visible(char c) {
  return c > 0x20 && c < 0x7f;
}

/// Field values hold blanks, tabs and whatever is no control character.
bool is_value_character(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte == '\t' || (byte >= 0x20 && byte != 0x7f);
}

bool is_name(std::string_view name, std::string_view wanted) {
  return name.size() == wanted.size() &&
         ::strncasecmp(name.data(), wanted.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view value) {
  const size_t first = value.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return value.substr(first, value.find_last_not_of(" \t") - first + 1);
}

/// Letters, digits, dots, dashes, underscores, a bracketed IPv6 address, a port.
bool is_host(std::string_view host) {
  if (host.empty()) return false;
  std::string_view port;
  if (host.front() == '[') {
    const size_t end = host.find(']');
    if (end == std::string_view::npos || end < 3) return false;
    const std::string_view address = host.substr(1, end - 1);
    if (address.find_first_not_of("0123456789abcdefABCDEF:.") != std::string_view::npos) {
      return false;
    }
    port = host.substr(end + 1);
  } else {
    const size_t colon = std::min(host.find(':'), host.size());
    const auto is_name_character = [](char c) {
      return is_token_character(c) &&
             std::string_view("!#$%&'*+^`|").find(c) == std::string_view::npos;
    };
    if (colon == 0 || !std::all_of(host.begin(), host.begin() + static_cast<std::ptrdiff_t>(colon),
                                   is_name_character)) {
      return false;
    }
    port = host.substr(colon);
  }
  return port.empty() || (port.front() == ':' && port.size() <= 6 && is_digits(port.substr(1)));
}

int check_request_line(std::string_view line) {
  const size_t first = line.find(' '), last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  const std::string_view method = line.substr(0, first), version = line.substr(last + 1);
  const std::string_view target = line.substr(first + 1, last - first - 1);
  if (!is_token(method)) return 400;
  if (target.size() > kMostTargetBytes) return 414;
  // Only the form with a path, and * of OPTIONS; whole addresses are for proxies.
  const bool is_form = target.starts_with('/') || (target == "*" && method == "OPTIONS");
  if (!is_form || !std::all_of(target.begin(), target.end(), is_visible)) return 400;
  if (version == "HTTP/1.1" || version == "HTTP/1.0") return 0;
  const bool is_version = version.size() == 8 && version.starts_with("HTTP/") &&
                          is_digits(version.substr(5, 1)) && version[6] == '.' &&
                          is_digits(version.substr(7));
  return is_version ? 505 : 400;
}

}  // namespace

int check_http_head(std::string_view head) {
  if (head.size() < 4 || !head.ends_with("\r\n\r\n")) return 400;
  head.remove_suffix(2);  // the empty line
  size_t hosts = 0, lengths = 0, encodings = 0, fields = 0;
  bool first = true, version_1_0 = false;
  while (!head.empty()) {
    const size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return 400;
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    // Covers NUL and a CR or LF of its own, too.
    if (!std::all_of(line.begin(), line.end(), is_value_character)) return 400;
    if (first) {
      if (const int status = check_request_line(line); status != 0) return status;
      version_1_0 = line.ends_with("HTTP/1.0");
      first = false;
      continue;
    }
    if (++fields > kMostHeaderFields) return 431;
    const size_t colon = line.find(':');
    // A folded line begins with a blank; a blank before the colon is read in two ways.
    if (colon == std::string_view::npos || !is_token(line.substr(0, colon))) return 400;
    const std::string_view name = line.substr(0, colon), value = trimmed(line.substr(colon + 1));
    if (is_name(name, "Host")) {
      if (++hosts > 1 || !is_host(value)) return 400;
    } else if (is_name(name, "Content-Length")) {
      if (++lengths > 1 || !is_digits(value)) return 400;
      if (value.size() > kMostLengthDigits) return 413;
    } else if (is_name(name, "Transfer-Encoding")) {
      if (++encodings > 1 || version_1_0 || !is_name(value, "chunked")) return 400;
    }
  }
  if (first) return 400;
  if (hosts == 0 && !version_1_0) return 400;
  return lengths > 0 && encodings > 0 ? 400 : 0;
}

}  // namespace lazyllm::server
