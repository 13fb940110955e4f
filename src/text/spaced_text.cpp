// SPDX-License-Identifier: Apache-2.0
#include "text/spaced_text.h"

#include <algorithm>

namespace lazyllm::text {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

}  // namespace

std::string unescape_spaces(std::string_view spelling) {
  std::string result;
  for (size_t at = 0; at < spelling.size();) {
    if (spelling.substr(at, kSpaceMark.size()) == kSpaceMark) {
      result += ' ';
      at += kSpaceMark.size();
    } else {
      result += spelling[at++];
    }
  }
  return result;
}

int byte_of_token(std::string_view spelling) {
  if (spelling.size() != 6 || spelling.substr(0, 3) != "<0x" || spelling[5] != '>') return -1;
  const int high = hex_digit(spelling[3]);
  const int low = hex_digit(spelling[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

ByteFallback::ByteFallback(const Vocabulary& vocabulary)
    : unknown_(vocabulary.unknown), fuse_unknown_(vocabulary.fuse_unknown) {
  tokens_.fill(kNoToken);
  if (!vocabulary.byte_fallback) return;
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const int byte = byte_of_token(vocabulary.tokens[i]);
    if (byte >= 0 && tokens_[static_cast<size_t>(byte)] == kNoToken) {
      tokens_[static_cast<size_t>(byte)] = static_cast<TokenId>(i);
    }
  }
}

bool ByteFallback::can_spell(std::string_view bytes) const {
  return std::all_of(bytes.begin(), bytes.end(),
                     [this](char byte) { return tokens_[static_cast<uint8_t>(byte)] != kNoToken; });
}

void ByteFallback::put(std::string_view character, bool frozen, size_t first,
                       std::vector<TokenId>& out) const {
  const bool is_space = character == kSpaceMark && !frozen;  // a vocabulary without U+2581
  const std::string_view bytes = is_space ? std::string_view(" ") : character;
  if (can_spell(bytes)) {
    for (const char byte : bytes) out.push_back(tokens_[static_cast<uint8_t>(byte)]);
    return;
  }
  if (unknown_ == kNoToken) return;
  const bool fused = fuse_unknown_ && out.size() > first && out.back() == unknown_;
  if (!fused) out.push_back(unknown_);
}

}  // namespace lazyllm::text
