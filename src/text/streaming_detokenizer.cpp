// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"
#include "text/unicode.h"

namespace lazyllm::text {

StreamingDetokenizer::StreamingDetokenizer(const Tokenizer& tokenizer, bool special)
    : tokenizer_(tokenizer), special_(special) {}

std::string StreamingDetokenizer::push(TokenId token) {
  pending_ += tokenizer_.piece(token, special_);
  const size_t complete = pending_.size() - incomplete_utf8_suffix(pending_);
  std::string text = replace_invalid_utf8(std::string_view(pending_).substr(0, complete));
  pending_.erase(0, complete);
  return text;
}

std::string StreamingDetokenizer::finish() {
  std::string text;
  if (!pending_.empty()) append_utf8(text, kReplacementCharacter);
  pending_.clear();
  return text;
}

}  // namespace lazyllm::text
