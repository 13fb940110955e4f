// SPDX-License-Identifier: Apache-2.0
#include "text/special_tokens.h"

#include <algorithm>

#include "text/unicode.h"

namespace lazyllm::text {
namespace {

/// Bytes of the white space that ends right before `end`, but not before `limit`; 0: there is none.
size_t space_before(std::string_view text, size_t limit, size_t end) {
  if (end <= limit) return 0;
  size_t begin = end - 1;
  while (begin > limit && (static_cast<uint8_t>(text[begin]) & 0xC0U) == 0x80U) --begin;
  const DecodedCharacter character = decode_utf8(text, begin);
  const bool space = (classes_of(character.code_point) & kSpace) != 0;
  return space && begin + character.length == end ? character.length : 0;
}

size_t space_at(std::string_view text, size_t at, size_t limit) {
  if (at >= limit) return 0;
  const DecodedCharacter character = decode_utf8(text, at);
  const bool space = (classes_of(character.code_point) & kSpace) != 0;
  return space && at + character.length <= limit ? character.length : 0;
}

std::vector<bool> marks(const std::vector<TokenId>& tokens, size_t size) {
  std::vector<bool> result;
  if (tokens.empty()) return result;
  result.resize(size);
  for (const TokenId token : tokens) {
    if (token >= 0 && static_cast<size_t>(token) < size) result[static_cast<size_t>(token)] = true;
  }
  return result;
}

bool marked(const std::vector<bool>& marks, TokenId token) {
  return !marks.empty() && marks[static_cast<size_t>(token)];
}

bool is_word(char32_t code_point) {
  return code_point == '_' || (classes_of(code_point) & (kLetter | kMark | kNumber)) != 0;
}

/// Whether a word goes on before or after these bytes.
bool inside_word(std::string_view text, size_t begin, size_t end) {
  if (end < text.size() && is_word(decode_utf8(text, end).code_point)) return true;
  if (begin == 0) return false;
  size_t before = begin - 1;
  while (before > 0 && (static_cast<uint8_t>(text[before]) & 0xC0U) == 0x80U) --before;
  return is_word(decode_utf8(text, before).code_point);
}

}  // namespace

SpecialTokens::SpecialTokens(const Vocabulary& vocabulary, const Normalizer* normalizer)
    : nodes_(1),
      strip_left_(marks(vocabulary.strip_left, vocabulary.tokens.size())),
      strip_right_(marks(vocabulary.strip_right, vocabulary.tokens.size())),
      single_word_(marks(vocabulary.single_words, vocabulary.tokens.size())) {
  const std::vector<bool> normalized = vocabulary.normalizer.empty()
                                           ? std::vector<bool>()
                                           : marks(vocabulary.normalized, vocabulary.tokens.size());
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const TokenType type = vocabulary.types[i];
    const auto token = static_cast<TokenId>(i);
    const bool needs_trust = type == TokenType::control || type == TokenType::unknown;
    if (!needs_trust && type != TokenType::user_defined) continue;
    if (marked(normalized, token) != (normalizer != nullptr)) continue;
    const std::string& spelling = vocabulary.tokens[i];
    add(normalizer == nullptr ? spelling : normalizer->apply(spelling), token, needs_trust);
  }
}

void SpecialTokens::add(std::string_view spelling, TokenId token, bool needs_trust) {
  if (spelling.empty()) return;
  begins_token_[static_cast<uint8_t>(spelling[0])] = true;
  uint32_t node = 0;
  for (const char byte : spelling) {
    const auto [position, is_new] =
        edges_.try_emplace(edge(node, byte), static_cast<uint32_t>(nodes_.size()));
    if (is_new) nodes_.emplace_back();
    node = position->second;
  }
  if (nodes_[node].token == kNoToken) nodes_[node] = {token, needs_trust};
}

SpecialTokens::Match SpecialTokens::longest_match(std::string_view text, size_t at,
                                                  size_t trusted_end) const {
  Match match;
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const auto position = edges_.find(edge(node, text[i]));
    if (position == edges_.end()) break;
    node = position->second;
    const Node& here = nodes_[node];
    if (here.token == kNoToken || (here.needs_trust && i >= trusted_end)) continue;
    match = {here.token, i + 1 - at};
  }
  return match;
}

std::vector<Fragment> SpecialTokens::partition(std::string_view text,
                                               const std::vector<ByteRange>& trusted) const {
  std::vector<Fragment> fragments;
  size_t text_begin = 0;  // of the text since the last special token
  auto range = trusted.begin();
  for (size_t at = 0; at < text.size();) {
    while (range != trusted.end() && range->end <= at) ++range;
    if (!begins_token_[static_cast<uint8_t>(text[at])]) {
      ++at;
      continue;
    }
    const bool trusted_here = range != trusted.end() && range->begin <= at;
    const Match match = longest_match(text, at, trusted_here ? range->end : 0);
    if (match.token == kNoToken) {
      ++at;
      continue;
    }
    size_t text_end = at;
    size_t after = at + match.length;
    if (marked(single_word_, match.token) && inside_word(text, at, after)) {
      at = after;
      continue;
    }
    // White space is dropped only where the text is not a user's.
    if (trusted_here && marked(strip_left_, match.token)) {
      const size_t limit = std::max(text_begin, range->begin);
      while (const size_t length = space_before(text, limit, text_end)) text_end -= length;
    }
    if (text_begin < text_end) fragments.push_back({kNoToken, text_begin, text_end});
    fragments.push_back({match.token, at, after});
    if (trusted_here && marked(strip_right_, match.token)) {
      while (const size_t length = space_at(text, after, range->end)) after += length;
    }
    at = after;
    text_begin = after;
  }
  if (text_begin < text.size()) fragments.push_back({kNoToken, text_begin, text.size()});
  return fragments;
}

}  // namespace lazyllm::text
