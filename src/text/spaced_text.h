// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/unicode.h"
#include "text/vocabulary.h"

namespace lazyllm::text {

// What the tokenizers have in common whose vocabularies spell a space as U+2581.

inline constexpr std::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581

/// The id of a symbol that must not be merged: a U+2581 that the text itself holds.
/// It becomes bytes; were it merged, decoding would give a space for it.
inline constexpr int32_t kFrozenSymbol = -2;

/// `text` with U+2581 for spaces, one more before it if `prefix`. Calls
/// `symbol(begin, end, frozen)` for each character of the result, which `buffer` holds.
/// `freeze`: the vocabulary has the bytes to say a U+2581 of the text itself.
template <typename Symbol>
void for_each_spaced_character(std::string_view text, bool prefix, bool freeze, std::string& buffer,
                               Symbol&& symbol) {
  const auto put = [&](std::string_view bytes, bool frozen) {
    const auto begin = static_cast<uint32_t>(buffer.size());
    buffer += bytes;
    symbol(begin, static_cast<uint32_t>(buffer.size()), frozen);
  };
  buffer.clear();
  buffer.reserve(text.size() + text.size() / 2);
  if (prefix) put(kSpaceMark, false);
  for (size_t at = 0; at < text.size();) {
    const DecodedCharacter character = decode_utf8(text, at);
    const std::string_view bytes = text.substr(at, character.length);
    if (character.code_point == ' ') {
      put(kSpaceMark, false);
    } else {
      put(bytes, freeze && bytes == kSpaceMark);
    }
    at += character.length;
  }
}

/// A token's spelling with spaces for U+2581.
std::string unescape_spaces(std::string_view spelling);

/// The byte that a token "<0xNN>" stands for, or -1.
int byte_of_token(std::string_view spelling);

/// Puts characters that are not in the vocabulary as byte tokens, or as the unknown token.
class ByteFallback {
 public:
  explicit ByteFallback(const Vocabulary& vocabulary);

  /// True if the vocabulary has tokens for all these bytes.
  bool can_spell(std::string_view bytes) const;

  /// `first`: size of `out` when the run of text began (unknown tokens fuse within a run).
  void put(std::string_view character, bool frozen, size_t first, std::vector<TokenId>& out) const;

 private:
  std::array<TokenId, 256> tokens_;
  TokenId unknown_;
  bool fuse_unknown_;
};

}  // namespace lazyllm::text
