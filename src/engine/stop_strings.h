// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::engine {

/// Watches streamed text for stop strings and holds back what may become one.
class StopStrings {
 public:
  /// Empty strings are ignored.
  explicit StopStrings(std::vector<std::string> stops);

  /// Text that may be shown now. After a hit nothing more comes.
  std::string push(std::string_view text);
  /// What was held back, when the answer ended without a hit.
  std::string finish();
  bool hit() const { return hit_; }

 private:
  std::vector<std::string> stops_;
  std::string held_;
  bool hit_ = false;
};

}  // namespace lazyllm::engine
