// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <bit>
#include <unordered_map>

#include "text/merger.h"
#include "text/spaced_text.h"
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
/// with the highest score merge first, over the whole text without regard to words.
class SpmTokenizer final : public Tokenizer {
 public:
  explicit SpmTokenizer(Vocabulary vocabulary)
      : Tokenizer(std::move(vocabulary)), fallback_(vocabulary_) {
    build_pieces();
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
    }
  }

 protected:
  void encode_run(std::string_view run, bool prefix, std::vector<TokenId>& out) const override {
    std::string buffer;
    Merger merger;
    for_each_spaced_character(run, prefix, fallback_.can_spell(kSpaceMark), buffer,
                              [&](uint32_t begin, uint32_t end, bool frozen) {
                                merger.append(frozen ? kFrozenSymbol : -1, begin, end);
                              });
    const std::string_view text = buffer;
    merger.run([&](const Symbol& left, const Symbol& right) -> Merge {
      const size_t size = right.end - left.begin;
      if (size > longest_ || left.id == kFrozenSymbol || right.id == kFrozenSymbol) return {};
      const auto token = ids_.find(text.substr(left.begin, size));
      if (token == ids_.end()) return {};
      return {priority_of(vocabulary_.scores[static_cast<size_t>(token->second)]), token->second};
    });
    const size_t first = out.size();
    merger.for_each([&](const Symbol& symbol) {
      const std::string_view spelling = text.substr(symbol.begin, symbol.end - symbol.begin);
      if (symbol.id >= 0) {
        out.push_back(symbol.id);
        return;
      }
      const bool frozen = symbol.id == kFrozenSymbol;
      const auto token = frozen ? ids_.end() : ids_.find(spelling);
      if (token != ids_.end()) {
        out.push_back(token->second);
      } else {
        fallback_.put(spelling, frozen, first, out);
      }
    });
  }

  std::string normal_piece(const std::string& token) const override {
    return unescape_spaces(token);
  }

 private:
  ByteFallback fallback_;
  std::unordered_map<std::string_view, TokenId> ids_;  ///< views of vocabulary_.tokens
  size_t longest_ = 0;                                 ///< bytes of the longest token
};

}  // namespace

std::unique_ptr<const Tokenizer> make_spm_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<SpmTokenizer>(std::move(vocabulary));
}

}  // namespace lazyllm::text
