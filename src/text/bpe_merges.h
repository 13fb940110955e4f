// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>

#include "text/pair_table.h"
#include "text/vocabulary.h"

namespace lazyllm::text {

/// The ranked merges of a BPE vocabulary on symbols: a token's symbol is its id;
/// strings that are in the merges but not in the vocabulary get higher numbers.
/// Keeps views of the vocabulary, which must outlive it.
class BpeMerges {
 public:
  explicit BpeMerges(const Vocabulary& vocabulary);

  /// The symbol of a string or -1.
  int32_t find(std::string_view spelling) const {
    const auto position = symbols_.find(spelling);
    return position == symbols_.end() ? -1 : position->second;
  }
  /// The same, with a new symbol for a string that has none.
  int32_t intern(std::string_view spelling);

  /// Every string that has a symbol, in no order.
  template <typename Visitor>
  void for_each_spelling(Visitor&& visit) const {
    for (const auto& [spelling, symbol] : symbols_) visit(spelling);
  }

  bool is_token(int32_t symbol) const { return symbol >= 0 && symbol < token_count_; }
  Merge merge(int32_t left, int32_t right) const { return merges_.find(left, right); }

 private:
  int32_t token_count_;
  std::unordered_map<std::string_view, int32_t> symbols_;
  std::deque<std::string> extra_;  ///< spellings that are not tokens
  PairTable merges_;
};

}  // namespace lazyllm::text
