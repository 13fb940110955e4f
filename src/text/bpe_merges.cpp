// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merges.h"

#include "base/error.h"

namespace lazyllm::text {

BpeMerges::BpeMerges(const Vocabulary& vocabulary)
    : token_count_(static_cast<int32_t>(vocabulary.tokens.size())),
      merges_(vocabulary.merges.size()) {
  symbols_.reserve(vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    // Text never becomes a control token by merging, nor "<0x41>" a byte.
    if (type == TokenType::control || type == TokenType::unknown || type == TokenType::byte) {
      continue;
    }
    symbols_.try_emplace(vocabulary.tokens[i], static_cast<int32_t>(i));
  }
  std::string merged;
  for (size_t rank = 0; rank < vocabulary.merges.size(); ++rank) {
    const std::string_view line = vocabulary.merges[rank];
    const size_t space = line.find(' ', 1);  // the left part is never empty
    if (space == std::string_view::npos || space + 1 >= line.size()) {
      fail(ErrorCode::invalid_file,
           "merge {} of the tokenizer is '{}', but must be two tokens with a space between them; "
           "the model file is damaged",
           rank, line);
    }
    const std::string_view left = line.substr(0, space);
    const std::string_view right = line.substr(space + 1);
    merged.assign(left).append(right);
    const int32_t left_symbol = intern(left);
    const int32_t right_symbol = intern(right);
    merges_.insert(left_symbol, right_symbol, {static_cast<uint32_t>(rank), intern(merged)});
  }
}

int32_t BpeMerges::intern(std::string_view spelling) {
  const auto position = symbols_.find(spelling);
  if (position != symbols_.end()) return position->second;
  const auto symbol = static_cast<int32_t>(token_count_ + static_cast<int32_t>(extra_.size()));
  extra_.emplace_back(spelling);
  symbols_.emplace(extra_.back(), symbol);
  return symbol;
}

}  // namespace lazyllm::text
