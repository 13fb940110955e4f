// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/loop_detector.h"

#include <algorithm>
#include <cctype>

namespace lazyllm {
namespace {

constexpr size_t kTimes = 4;

bool has_letter(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || static_cast<signed char>(c) < 0;
  });
}

}  // namespace

bool LoopDetector::repeats(size_t period) const {
  const size_t length = std::max(kTimes * period, kLeast);
  if (tail_.size() < length) return false;
  const std::string_view end = std::string_view(tail_).substr(tail_.size() - length);
  // The text equals itself, moved by one period.
  if (end.substr(period) != end.substr(0, length - period)) return false;
  const std::string_view piece = end.substr(length - period);
  const bool one_character = std::count(piece.begin(), piece.end(), piece[0]) == std::ssize(piece);
  return !one_character && has_letter(piece);
}

bool LoopDetector::add(std::string_view text) {
  tail_ += text;
  constexpr size_t kMost = kTimes * kLongest;
  if (tail_.size() > 2 * kMost) tail_.erase(0, tail_.size() - kMost);
  const size_t longest = std::min(kLongest, tail_.size() / kTimes);
  for (size_t period = 1; period <= longest; ++period) {
    // Cheap first: the last byte one period before.
    if (tail_[tail_.size() - 1 - period] == tail_.back() && repeats(period)) return true;
  }
  return false;
}

}  // namespace lazyllm
