// SPDX-License-Identifier: Apache-2.0
#include "server/api_keys.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"
#include "base/lower_ascii.h"

namespace lazyllm::server {
namespace {

using Padded = std::array<unsigned char, ApiKeys::kMostBytes + 2>;

/// The bytes and their number, in a place of one size.
Padded padded(std::string_view key) {
  Padded bytes{};
  const size_t size = std::min(key.size(), ApiKeys::kMostBytes);
  std::copy_n(key.begin(), size, bytes.begin());
  bytes[ApiKeys::kMostBytes] = static_cast<unsigned char>(size & 0xFF);
  bytes[ApiKeys::kMostBytes + 1] = static_cast<unsigned char>(size >> 8);
  return bytes;
}

bool equal_in_constant_time(const Padded& a, const Padded& b) {
  volatile unsigned char difference = 0;
  for (size_t i = 0; i < a.size(); ++i) difference = difference | (a[i] ^ b[i]);
  return difference == 0;
}

std::string_view bearer(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (lower_ascii(authorization.substr(0, kScheme.size())) != kScheme) return {};
  authorization.remove_prefix(kScheme.size());
  while (authorization.starts_with(' ')) authorization.remove_prefix(1);
  return authorization;
}

}  // namespace

ApiKeys::ApiKeys(std::vector<std::string> keys) : keys_(std::move(keys)) {
  for (const std::string& key : keys_) {
    if (key.empty()) fail(ErrorCode::usage, "an API key is empty; write one or leave it out");
    if (key.size() > kMostBytes) {
      fail(ErrorCode::usage, "an API key has {} bytes; write at most {}", key.size(), kMostBytes);
    }
  }
}

bool ApiKeys::contains(std::string_view candidate) const {
  const bool fits = candidate.size() <= kMostBytes;
  const Padded given = padded(candidate);
  bool found = false;
  for (const std::string& key : keys_) found = equal_in_constant_time(padded(key), given) | found;
  return found && fits;
}

bool ApiKeys::admits(std::string_view authorization, std::string_view x_api_key) const {
  if (!required()) return true;
  const bool by_bearer = contains(bearer(authorization));
  const bool by_header = contains(x_api_key);
  return by_bearer | by_header;
}

}  // namespace lazyllm::server
