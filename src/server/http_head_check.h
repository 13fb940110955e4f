// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace lazyllm::server {

inline constexpr size_t kMostTargetBytes = 8190;
inline constexpr size_t kMostHeaderFields = 100;

/// Whether a request's head is one that all readers understand alike (RFC 9112): two programs that
/// see different ends of one request let an attacker hide a second one in it. A parser that is kind
/// to old clients is a danger behind a proxy, so this is not kind.
///
/// `head`: the bytes as they came, up to and with the empty line. Returns 0 if it is right, else
/// the status to refuse it with, after which the connection must be closed: 400 malformed or
/// ambiguous, 413 a length of more than 18 digits, 414 a long target, 431 too many fields, 505
/// another HTTP.
int check_http_head(std::string_view head);

}  // namespace lazyllm::server
