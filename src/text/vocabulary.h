// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/normalizer.h"

namespace lazyllm::text {

using TokenId = int32_t;
inline constexpr TokenId kNoToken = -1;

/// GGUF's token types (tokenizer.ggml.token_type).
enum class TokenType : uint8_t {
  normal = 1,
  unknown = 2,
  control = 3,
  user_defined = 4,
  unused = 5,
  byte = 6
};

/// A cut by a regular expression of a tokenizer.json that no scanner of this program knows.
struct OwnSplit {
  enum class Behavior { isolated, removed, merged_with_previous, merged_with_next, contiguous };
  std::string expression;  ///< in Oniguruma's syntax
  Behavior behavior = Behavior::isolated;
  bool invert = false;  ///< what lies between the matches counts as match
};

/// Everything a tokenizer is made of, independent of the file it came from.
struct Vocabulary {
  enum class Kind {
    spm,  ///< SentencePiece with scores ("llama")
    bpe,  ///< BPE with ranked merges ("gpt2", "gemma4"), byte-level unless byte_level is false
  };
  Kind kind = Kind::spm;
  std::string pre = "default";       ///< pre-tokenizer, see PreTokenizer::by_name; BPE only
  std::vector<OwnSplit> own_splits;  ///< those that `pre` names own-0, own-1, ...
  bool byte_level = true;            ///< BPE: see tokens
  /// Byte-level BPE: in GPT-2's byte-to-unicode spelling; SPM and other BPE: raw UTF-8 with
  /// U+2581 for spaces. Control and user-defined tokens: literal.
  std::vector<std::string> tokens;
  std::vector<float> scores;        ///< SPM
  std::vector<TokenType> types;     ///< same length as tokens, or empty: all normal
  std::vector<std::string> merges;  ///< BPE: "left right", best first

  TokenId bos = kNoToken, eos = kNoToken, eot = kNoToken, eom = kNoToken;
  TokenId unknown = kNoToken, padding = kNoToken, separator = kNoToken;
  std::vector<TokenId> end_of_generation;  ///< further tokens that end an answer
  bool add_bos = false, add_eos = false;
  bool add_space_prefix = true;           ///< a space before each run of text; not byte-level BPE
  bool prefix_at_start_only = false;      ///< that space at the very start of a text only
  bool prefix_unless_space = false;       ///< no such space where the run begins with one
  bool byte_level_prefix = false;         ///< byte-level BPE: that space, unless there is one
  bool remove_extra_whitespaces = false;  ///< read but not obeyed, as in llama.cpp
  bool ignore_merges = false;             ///< a whole piece found in the vocabulary wins
  bool byte_fallback = true;              ///< unknown characters become <0xNN>; not byte-level BPE
  bool fuse_unknown = false;  ///< neighbouring unknown characters become one unknown token
  /// Special tokens that swallow the white space before or after them when parsed.
  std::vector<TokenId> strip_left, strip_right;
  /// Those that are no token where a letter, a digit or "_" stands beside them.
  std::vector<TokenId> single_words;
  /// Those that are looked for in the text that the normalizer made, in their own normal form.
  std::vector<TokenId> normalized;
  std::vector<NormalizerStep> normalizer;
};

/// Sets the flags that llama.cpp ties to the pre-tokenizer's name (ignore_merges, add_bos,
/// byte_level, no add_space_prefix) and that a GGUF file may leave out, and the normal form that
/// the tokenizer of that name has. Call it for Kind::bpe
/// before obeying the file's own keys.
void apply_pre_tokenizer_defaults(Vocabulary& vocabulary);

/// Reads a Hugging Face tokenizer.json (and tokenizer_config.json, may be empty):
/// model types BPE (byte-level, or SentencePiece-like with byte fallback) as real
/// Llama, SmolLM, Qwen, Gemma and Mistral folders have them. The pre-tokenizer is
/// recognised by its regular expressions. Errors: Error(invalid_file) or
/// Error(unsupported), starting with `where` (a path).
Vocabulary parse_hugging_face_tokenizer(const std::string& tokenizer_json,
                                        const std::string& tokenizer_config_json,
                                        const std::string& where);

}  // namespace lazyllm::text
