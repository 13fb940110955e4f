// SPDX-License-Identifier: Apache-2.0
#include "text/spaced_tokenizer.h"

#include <algorithm>
#include <unordered_map>

namespace lazyllm::text {

/// A stretch of the marked text that is merged on its own.
struct SpacedTokenizer::Word {
  struct Character {
    int32_t id;
    uint32_t begin, end;
  };
  std::string_view text;              ///< the marked text, of which the word is a part
  std::vector<Character> characters;  ///< of the word
  bool frozen = false;                ///< holds a symbol that must not be merged
};

SpacedTokenizer::SpacedTokenizer(Vocabulary vocabulary)
    : Tokenizer(std::move(vocabulary)),
      fallback_(vocabulary_),
      freezes_(fallback_.can_spell(kSpaceMark)) {
  build_pieces();
}

void SpacedTokenizer::learn_cuts(std::string_view spelling) {
  for (size_t at = spelling.find(kSpaceMark, 1); at < spelling.size();
       at = spelling.find(kSpaceMark, at + 1)) {
    size_t before = at - 1;
    while (before > 0 && (static_cast<uint8_t>(spelling[before]) & 0xC0U) == 0x80U) --before;
    before_mark_.insert(decode_utf8(spelling, before).code_point);
  }
}

std::string SpacedTokenizer::normal_piece(const std::string& token) const {
  return unescape_spaces(token);
}

void SpacedTokenizer::encode_text(std::string_view text, bool prefix,
                                  std::vector<TokenId>& out) const {
  // The marked text first, since words are views of it, then its words.
  std::string buffer;
  std::vector<Word::Character> characters;
  for_each_spaced_character(text, prefix, freezes_, buffer,
                            [&](uint32_t begin, uint32_t end, bool frozen) {
                              characters.push_back({frozen ? kFrozenSymbol : -1, begin, end});
                            });
  const std::string_view marked = buffer;
  const bool frozen_text = std::any_of(characters.begin(), characters.end(),
                                       [](const auto& each) { return each.id == kFrozenSymbol; });
  if (const TokenId token = whole_token(marked); token != kNoToken && !frozen_text) {
    out.push_back(token);
    return;
  }
  const size_t first = out.size();
  Merger merger;
  Word word;
  word.text = marked;
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> seen;  // ranges of `out`
  const auto flush = [&] {
    if (word.characters.empty()) return;
    const size_t begin = out.size();
    const size_t word_begin = word.characters.front().begin;
    const std::string_view spelling =
        marked.substr(word_begin, word.characters.back().end - word_begin);
    // A frozen U+2581 looks like a space, and fused unknown tokens depend on what was before.
    const bool cacheable = !word.frozen && !vocabulary_.fuse_unknown;
    const auto known = cacheable ? seen.find(spelling) : seen.end();
    if (known != seen.end()) {
      for (size_t i = 0; i < known->second.second; ++i) {
        out.push_back(TokenId(out[known->second.first + i]));
      }
    } else {
      encode_word(word, merger, first, out);
      if (cacheable) seen.try_emplace(spelling, begin, out.size() - begin);
    }
    word.characters.clear();
    word.frozen = false;
  };
  char32_t previous = 0;
  for (const Word::Character& character : characters) {
    const std::string_view spelling =
        marked.substr(character.begin, character.end - character.begin);
    if (spelling == kSpaceMark && !before_mark_.contains(previous)) flush();
    word.characters.push_back(character);
    word.frozen = word.frozen || character.id == kFrozenSymbol;
    previous = decode_utf8(spelling, 0).code_point;
  }
  flush();
}

void SpacedTokenizer::encode_word(const Word& word, Merger& merger, size_t first,
                                  std::vector<TokenId>& out) const {
  merger.clear();
  for (const Word::Character& character : word.characters) {
    const bool frozen = character.id == kFrozenSymbol;
    const std::string_view spelling =
        word.text.substr(character.begin, character.end - character.begin);
    merger.append(frozen ? kFrozenSymbol : symbol_of(spelling), character.begin, character.end);
  }
  merge(merger, word.text);
  merger.for_each([&](const Symbol& symbol) {
    if (is_token(symbol.id)) {
      out.push_back(symbol.id);
      return;
    }
    const bool frozen = symbol.id == kFrozenSymbol;
    for (size_t at = symbol.begin; at < symbol.end;) {
      const uint32_t length = decode_utf8(word.text, at).length;
      fallback_.put(word.text.substr(at, length), frozen, first, out);
      at += length;
    }
  });
}

}  // namespace lazyllm::text
