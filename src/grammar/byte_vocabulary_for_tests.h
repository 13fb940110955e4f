// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "text/tokenizer.h"

namespace lazyllm::grammar {

/// Three special tokens and one for each byte; a test adds its own behind these.
inline text::Vocabulary byte_vocabulary() {
  text::Vocabulary v;
  v.kind = text::Vocabulary::Kind::spm;
  v.tokens = {"<unk>", "<s>", "</s>"};
  v.types = {text::TokenType::unknown, text::TokenType::control, text::TokenType::control};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kDigits[] = "0123456789ABCDEF";
    v.tokens.push_back(std::string("<0x") + kDigits[byte >> 4] + kDigits[byte & 15] + ">");
    v.types.push_back(text::TokenType::byte);
  }
  return v;
}

}  // namespace lazyllm::grammar
