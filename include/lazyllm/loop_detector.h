// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm {

/// Notices that an answer says the same thing over and over, as small models do when they take the
/// most likely word each time.
class LoopDetector {
 public:
  /// The answer goes on with `text`. True from when it ends in the same words again and again: a
  /// piece of up to kLongest bytes that stands there at least four times in a row and fills at
  /// least kLeast bytes. Rows of one character, as in tables and rules, do not count.
  bool add(std::string_view text);

  static constexpr size_t kLeast = 240, kLongest = 1200;

 private:
  bool repeats(size_t period) const;

  std::string tail_;
};

}  // namespace lazyllm
