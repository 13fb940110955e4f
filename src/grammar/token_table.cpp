// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_table.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/string_decoder.h"
#include "text/tokenizer.h"

namespace lazyllm::grammar {
namespace {

bool writes_text(text::TokenType type) {
  return type == text::TokenType::normal || type == text::TokenType::byte ||
         type == text::TokenType::user_defined;
}

enum class Inside { refused, stays, closes };

/// What a token does that comes inside a string of any characters.
Inside inside_string(std::string_view bytes, uint32_t& characters) {
  StringDecoder decoder;
  characters = 0;
  for (const char byte : bytes) {
    const auto outcome =
        decoder.push(static_cast<uint8_t>(byte), [](char32_t, char32_t) { return true; });
    if (outcome == StringDecoder::Outcome::refused) return Inside::refused;
    if (outcome == StringDecoder::Outcome::quote) return Inside::closes;
    if (outcome == StringDecoder::Outcome::character) ++characters;
  }
  if (decoder.phase != StringDecoder::Phase::plain) ++characters;
  return Inside::stays;
}

}  // namespace

TokenTrie::TokenTrie(std::vector<Entry> entries) {
  std::erase_if(entries,
                [](const Entry& e) { return e.bytes.empty() || e.bytes.size() > kLongest; });
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.token < b.token;
  });
  std::vector<uint32_t> path;  // the nodes of the last entry's bytes
  std::string_view previous;
  for (const Entry& entry : entries) {
    const std::string& bytes = entry.bytes;
    const auto common = static_cast<size_t>(
        std::mismatch(previous.begin(), previous.end(), bytes.begin(), bytes.end()).first -
        previous.begin());
    for (; path.size() > common; path.pop_back()) {
      nodes_[path.back()].skip = static_cast<uint32_t>(nodes_.size());
    }
    for (size_t i = common; i < bytes.size(); ++i) {
      path.push_back(static_cast<uint32_t>(nodes_.size()));
      nodes_.push_back({static_cast<uint8_t>(bytes[i]), static_cast<uint8_t>(i + 1), 0,
                        static_cast<uint32_t>(tokens_.size()),
                        static_cast<uint32_t>(tokens_.size())});
    }
    tokens_.push_back(entry.token);
    nodes_[path.back()].last = static_cast<uint32_t>(tokens_.size());
    previous = bytes;
  }
  for (; !path.empty(); path.pop_back()) {
    nodes_[path.back()].skip = static_cast<uint32_t>(nodes_.size());
  }
}

TokenTable::TokenTable(const text::Tokenizer& tokenizer) {
  const auto size = static_cast<size_t>(tokenizer.size());
  pieces_.resize(size);
  std::vector<TokenTrie::Entry> entries;
  for (size_t i = 0; i < size; ++i) {
    const auto token = static_cast<int32_t>(i);
    if (tokenizer.is_end_of_generation(token)) {
      ends_of_generation_.push_back(token);
    } else if (writes_text(tokenizer.vocabulary().types[i])) {
      pieces_[i] = tokenizer.piece(token);
      if (pieces_[i].size() > TokenTrie::kLongest) pieces_[i].clear();
      entries.push_back({pieces_[i], token});
    }
  }
  all_ = TokenTrie(std::move(entries));
  check();
  find_in_string();
}

void TokenTable::check() const {
  if (ends_of_generation_.empty()) {
    fail(ErrorCode::unsupported,
         "the model's vocabulary has no token that ends an answer, so an answer in a given form "
         "could not end; use a model with an end-of-generation token");
  }
  std::vector<bool> has(256);
  for (const std::string& bytes : pieces_) {
    if (bytes.size() == 1) has[static_cast<uint8_t>(bytes[0])] = true;
  }
  for (int byte = 0x20; byte < 0x7F; ++byte) {
    if (has[static_cast<size_t>(byte)]) continue;
    fail(ErrorCode::unsupported,
         "the model's vocabulary has no token for the character \"{}\" alone, so an answer in a "
         "given form could get stuck; use a model whose vocabulary covers ASCII",
         static_cast<char>(byte));
  }
}

void TokenTable::find_in_string() {
  std::vector<TokenTrie::Entry> closing;
  in_string_mask_.resize((pieces_.size() + 63) / 64);
  for (size_t i = 0; i < pieces_.size(); ++i) {
    const auto token = static_cast<int32_t>(i);
    uint32_t characters = 0;
    if (pieces_[i].empty()) continue;
    const Inside inside = inside_string(pieces_[i], characters);
    if (inside == Inside::closes) closing.push_back({pieces_[i], token});
    if (inside != Inside::stays) continue;
    in_string_.push_back({token, characters});
    in_string_mask_[i / 64] |= uint64_t{1} << (i % 64);
  }
  std::stable_sort(in_string_.begin(), in_string_.end(), [](const InString& a, const InString& b) {
    return a.characters < b.characters;
  });
  closing_string_ = TokenTrie(std::move(closing));
}

bool TokenTable::ends_generation(int32_t token) const {
  return std::binary_search(ends_of_generation_.begin(), ends_of_generation_.end(), token);
}

}  // namespace lazyllm::grammar
