// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::server {

/// The keys that open the server; none: it is open. Immutable.
class ApiKeys {
 public:
  static constexpr size_t kMostBytes = 256;

  /// Errors: Error(usage) for an empty key or one that is too long.
  explicit ApiKeys(std::vector<std::string> keys);

  bool required() const { return !keys_.empty(); }
  /// Takes the values of the headers Authorization ("Bearer KEY") and X-Api-Key. The time it takes
  /// depends on the number of keys only.
  bool admits(std::string_view authorization, std::string_view x_api_key) const;

 private:
  bool contains(std::string_view candidate) const;

  std::vector<std::string> keys_;
};

}  // namespace lazyllm::server
