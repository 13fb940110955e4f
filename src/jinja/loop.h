// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <functional>
#include <optional>

#include "jinja/value.h"

namespace lazyllm::jinja {

/// The `loop` variable. Looks ahead by at most one element unless the length is
/// asked for, because the loop's `if` clause may depend on what its body changes.
class LoopObject {
 public:
  /// `filter` (may be empty) is the loop's `if` clause.
  LoopObject(Values items, std::function<bool(const Value&)> filter)
      : items_(std::move(items)), filter_(std::move(filter)) {
    for (const Value& item : items_) depth_ = std::max(depth_, item.depth() + 1);
  }

  /// The next element, now the current one; nothing at the end.
  std::optional<Value> advance() {
    if (!looked_ahead_) after_ = pull();
    looked_ahead_ = false;
    if (!after_) return std::nullopt;
    ++index0_;
    before_ = std::move(current_);
    current_ = std::move(after_);
    after_.reset();
    return current_;
  }

  int64_t index0() const { return index0_; }
  int64_t length() {
    if (!filter_) return static_cast<int64_t>(items_.size());
    if (!length_) {
      Values rest;
      while (std::optional<Value> item = pull()) rest.push_back(std::move(*item));
      length_ = static_cast<int64_t>(rest.size()) + index0_ + 1 + (after_ ? 1 : 0);
      items_ = std::move(rest);
      position_ = 0;
      already_filtered_ = true;
    }
    return *length_;
  }
  const std::optional<Value>& peek_next() {
    if (!looked_ahead_) {
      after_ = pull();
      looked_ahead_ = true;
    }
    return after_;
  }
  const std::optional<Value>& previous() const { return before_; }

  bool changed(Values arguments, Budget& budget) {
    if (last_changed_ && last_changed_->size() == arguments.size() &&
        std::equal(arguments.begin(), arguments.end(), last_changed_->begin(),
                   [&](const Value& a, const Value& b) { return equal(a, b, budget); })) {
      return false;
    }
    last_changed_ = std::move(arguments);
    return true;
  }

  /// After the loop: drops what could refer to the interpreter or to this object.
  void finish() {
    if (!length_) length_ = index0_ + 1;
    filter_ = nullptr;
    last_changed_.reset();
  }

  int depth() const { return depth_; }

 private:
  std::optional<Value> pull() {
    while (position_ < items_.size()) {
      const Value& item = items_[position_++];
      if (already_filtered_ || !filter_ || filter_(item)) return item;
    }
    return std::nullopt;
  }

  Values items_;
  std::function<bool(const Value&)> filter_;
  size_t position_ = 0;
  int64_t index0_ = -1;
  int depth_ = 1;
  bool looked_ahead_ = false, already_filtered_ = false;
  std::optional<int64_t> length_;
  std::optional<Value> before_, current_, after_;
  std::optional<Values> last_changed_;
};

}  // namespace lazyllm::jinja
