// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "text/tokenizer.h"

namespace lazyllm::text {

// The implementations behind Tokenizer::create, which has checked the vocabulary.

/// SentencePiece: merges by the score of the merged token.
std::unique_ptr<const Tokenizer> make_spm_tokenizer(Vocabulary vocabulary);
/// GPT-2 and its descendants: words by regular expression, bytes merged by rank.
std::unique_ptr<const Tokenizer> make_byte_level_bpe_tokenizer(Vocabulary vocabulary);
/// SentencePiece-like BPE: characters merged by rank, spaces as U+2581.
std::unique_ptr<const Tokenizer> make_character_bpe_tokenizer(Vocabulary vocabulary);

}  // namespace lazyllm::text
