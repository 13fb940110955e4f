// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "text/merger.h"
#include "text/spaced_text.h"
#include "text/tokenizer.h"

namespace lazyllm::text {

/// What SPM and character BPE have in common: characters with U+2581 for spaces are
/// merged, and what is no token becomes bytes.
///
/// Both merge over the text without regard to words. Yet where a U+2581 follows a
/// character that it follows in no token, no merge can reach across, and the two sides
/// are independent. Cut there, the text falls into short words that repeat.
class SpacedTokenizer : public Tokenizer {
 protected:
  explicit SpacedTokenizer(Vocabulary vocabulary);

  /// To be called with every string that merging can give.
  void learn_cuts(std::string_view spelling);

  /// Encodes text without U+2581 of its own making: spaces are marked here.
  void encode_text(std::string_view text, bool prefix, std::vector<TokenId>& out) const;

  std::string normal_piece(const std::string& token) const override;

  /// The symbol of one character, or -1.
  virtual int32_t symbol_of(std::string_view character) const = 0;
  /// Merges symbols of `text`.
  virtual void merge(Merger& merger, std::string_view text) const = 0;
  virtual bool is_token(int32_t symbol) const = 0;
  /// The token that the whole of a text becomes without merging, or kNoToken.
  virtual TokenId whole_token(std::string_view /*text*/) const { return kNoToken; }

 private:
  struct Word;

  void encode_word(const Word& word, Merger& merger, size_t first, std::vector<TokenId>& out) const;

  ByteFallback fallback_;
  bool freezes_;                              ///< see for_each_spaced_character
  std::unordered_set<char32_t> before_mark_;  ///< characters that a token has before a U+2581
};

}  // namespace lazyllm::text
