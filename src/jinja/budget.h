// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace lazyllm::jinja {

/// What goes wrong while a template renders. The interpreter adds the line and
/// turns it into Error(invalid_input); it never leaves the text layer.
class RenderFailure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename... Arguments>
[[noreturn]] void refuse(fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  throw RenderFailure(fmt::format(format, std::forward<Arguments>(arguments)...));
}

inline constexpr int kMaxExpressionDepth = 150;  ///< nesting inside one expression
inline constexpr int kMaxBlockDepth = 100;       ///< blocks inside blocks
inline constexpr int kMaxEvaluationDepth =
    900;                                      ///< expressions, blocks and macro calls at run time
inline constexpr int kMaxValueDepth = 200;    ///< lists in lists in lists
inline constexpr int64_t kMaxRange = 100000;  ///< as jinja2's sandbox

/// Bounds the work and memory of one rendering. One unit is about one byte
/// written or read; evaluating a node costs kNode. Everything a template can
/// make grow is charged before it is built.
class Budget {
 public:
  static constexpr size_t kNode = 16;
  static constexpr size_t kMaxText = size_t{64} << 20;  ///< one string, and the output
  static constexpr size_t kMaxWork = size_t{1} << 29;

  void charge(size_t units) {
    if (units > kMaxWork - spent_) {
      refuse("the template does too much work; it may loop over a hostile conversation");
    }
    spent_ += units;
  }

  /// Before a string of `bytes` is built.
  void charge_text(size_t bytes) {
    if (bytes > kMaxText) {
      refuse("a text of {} bytes is over the bound of {} bytes", bytes, kMaxText);
    }
    charge(bytes);
  }

  /// Before a list of `count` elements is built.
  void charge_items(size_t count) {
    if (count > kMaxText / 64) {
      refuse("a list of {} elements is over the bound of {}", count, kMaxText / 64);
    }
    charge(count * 64);
  }

  size_t spent() const { return spent_; }

 private:
  size_t spent_ = 0;
};

/// Counts nesting for the life of the object.
class DepthGuard {
 public:
  DepthGuard(int& depth, int limit) : depth_(depth) {
    if (depth_ >= limit) refuse("the template nests deeper than {} levels", limit);
    ++depth_;
  }
  ~DepthGuard() { --depth_; }
  DepthGuard(const DepthGuard&) = delete;
  DepthGuard& operator=(const DepthGuard&) = delete;

 private:
  int& depth_;
};

}  // namespace lazyllm::jinja
