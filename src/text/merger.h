// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace lazyllm::text {

/// A link in the chain of what is being merged. Units count the characters (or bytes)
/// that the chain began with; a link that was merged away has none.
struct Symbol {
  int32_t id = -1;
  uint32_t begin = 0, end = 0;  ///< bytes in the caller's text
  uint32_t units = 1;
  int32_t previous = -1, next = -1;
};

/// What joining two neighbours gives; no merge if `id` is negative.
struct Merge {
  uint32_t priority = 0;  ///< the smallest is merged first, of equal ones the leftmost
  int32_t id = -1;
};

/// Merges neighbours in the order of their priorities until none is left, in
/// O(n log n). Keeps its memory between runs.
class Merger {
 public:
  void clear() { symbols_.clear(); }

  void append(int32_t id, uint32_t begin, uint32_t end) {
    Symbol symbol{id, begin, end, 1, static_cast<int32_t>(symbols_.size()) - 1, -1};
    if (!symbols_.empty()) symbols_.back().next = static_cast<int32_t>(symbols_.size());
    symbols_.push_back(symbol);
  }

  /// `look_up(left, right)` returns the Merge of two symbols.
  template <typename LookUp>
  void run(LookUp&& look_up) {
    queue_.clear();
    for (size_t i = 0; i + 1 < symbols_.size(); ++i) {
      consider(static_cast<int32_t>(i), look_up, [](std::vector<Candidate>&) {});
    }
    std::make_heap(queue_.begin(), queue_.end(), later);
    const auto push = [](std::vector<Candidate>& queue) {
      std::push_heap(queue.begin(), queue.end(), later);
    };
    while (!queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end(), later);
      const Candidate candidate = queue_.back();
      queue_.pop_back();
      Symbol& left = symbols_[static_cast<size_t>(candidate.left)];
      if (left.units == 0 || left.next < 0) continue;
      Symbol& right = symbols_[static_cast<size_t>(left.next)];
      // Symbols only grow, so an equal total means that neither side has changed.
      if (left.units + right.units != candidate.units) continue;
      left.id = candidate.id;
      left.end = right.end;
      left.units += right.units;
      left.next = right.next;
      right.units = 0;
      if (left.next >= 0) symbols_[static_cast<size_t>(left.next)].previous = candidate.left;
      if (left.previous >= 0) consider(left.previous, look_up, push);
      consider(candidate.left, look_up, push);
    }
  }

  template <typename Visitor>
  void for_each(Visitor&& visit) const {
    if (symbols_.empty()) return;
    for (int32_t i = 0; i >= 0; i = symbols_[static_cast<size_t>(i)].next) {
      visit(symbols_[static_cast<size_t>(i)]);
    }
  }

 private:
  struct Candidate {
    uint32_t priority;
    int32_t left;
    uint32_t units;
    int32_t id;
  };

  static bool later(const Candidate& a, const Candidate& b) {
    return a.priority != b.priority ? a.priority > b.priority : a.left > b.left;
  }

  template <typename LookUp, typename Push>
  void consider(int32_t index, LookUp&& look_up, Push&& push) {
    const Symbol& left = symbols_[static_cast<size_t>(index)];
    if (left.next < 0) return;
    const Symbol& right = symbols_[static_cast<size_t>(left.next)];
    const Merge merge = look_up(left, right);
    if (merge.id < 0) return;
    queue_.push_back({merge.priority, index, left.units + right.units, merge.id});
    push(queue_);
  }

  std::vector<Symbol> symbols_;
  std::vector<Candidate> queue_;
};

}  // namespace lazyllm::text
