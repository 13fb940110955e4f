// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <unordered_map>

#include "text/spaced_tokenizer.h"
#include "text/tokenizer_kinds.h"

namespace lazyllm::text {
namespace {

/// Floats as unsigned numbers in the opposite order: the highest score comes first.
uint32_t priority_of(float score) {
  const auto bits = std::bit_cast<uint32_t>(score + 0.0F);  // -0 becomes 0
  const uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return ~ascending;
}

/// SentencePiece as llama.cpp runs it: of all neighbours whose union is a token, those
/// with the highest score merge first.
class SpmTokenizer final : public SpacedTokenizer {
 public:
  explicit SpmTokenizer(Vocabulary vocabulary) : SpacedTokenizer(std::move(vocabulary)) {
    ids_.reserve(vocabulary_.tokens.size());
    for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
      const TokenType token_type = vocabulary_.types[i];
      // Text never becomes a control token by merging, nor "<0x41>" a byte.
      if (token_type == TokenType::control || token_type == TokenType::unknown ||
          token_type == TokenType::byte) {
        continue;
      }
      const std::string& spelling = vocabulary_.tokens[i];
      longest_ = std::max(longest_, spelling.size());
      ids_.try_emplace(spelling, static_cast<TokenId>(i));
      learn_cuts(spelling);
    }
  }

 protected:
  void encode_run(std::string_view run, bool prefix, std::vector<TokenId>& out) const override {
    encode_text(run, prefix, out);
  }

  int32_t symbol_of(std::string_view character) const override {
    const auto token = ids_.find(character);
    return token == ids_.end() ? -1 : token->second;
  }

  void merge(Merger& merger, std::string_view text) const override {
    merger.run([&](const Symbol& left, const Symbol& right) -> Merge {
      const size_t size = right.end - left.begin;
      if (size > longest_ || left.id == kFrozenSymbol || right.id == kFrozenSymbol) return {};
      const auto token = ids_.find(text.substr(left.begin, size));
      if (token == ids_.end()) return {};
      return {priority_of(vocabulary_.scores[static_cast<size_t>(token->second)]), token->second};
    });
  }

  bool is_token(int32_t symbol) const override { return symbol >= 0; }

 private:
  std::unordered_map<std::string_view, TokenId> ids_;  ///< views of vocabulary_.tokens
  size_t longest_ = 0;                                 ///< bytes of the longest token
};

}  // namespace

std::unique_ptr<const Tokenizer> make_spm_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<SpmTokenizer>(std::move(vocabulary));
}

}  // namespace lazyllm::text
