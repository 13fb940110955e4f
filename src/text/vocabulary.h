// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lazyllm::text {

using TokenId = int32_t;
inline constexpr TokenId kNoToken = -1;

/// GGUF's token types (tokenizer.ggml.token_type).
enum class TokenType : uint8_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

/// Everything a tokenizer is made of, independent of the file it came from.
struct Vocabulary {
  enum class Kind {
    spm,  ///< SentencePiece with scores ("llama")
    bpe,  ///< byte-level BPE with ranked merges ("gpt2")
  };
  Kind kind = Kind::spm;
  std::string pre = "default";       ///< pre-tokenizer, llama.cpp's name; BPE only
  std::vector<std::string> tokens;   ///< BPE: in GPT-2's byte-to-unicode spelling; SPM: with U+2581
  std::vector<float> scores;         ///< SPM
  std::vector<TokenType> types;      ///< same length as tokens
  std::vector<std::string> merges;   ///< BPE: "left right", best first

  TokenId bos = kNoToken, eos = kNoToken, eot = kNoToken, eom = kNoToken;
  TokenId unknown = kNoToken, padding = kNoToken, separator = kNoToken;
  std::vector<TokenId> end_of_generation;  ///< further tokens that end an answer
  bool add_bos = false, add_eos = false;
  bool add_space_prefix = true;      ///< SPM
  bool remove_extra_whitespaces = false;
  bool ignore_merges = false;        ///< a whole piece found in the vocabulary wins
  bool byte_fallback = true;         ///< BPE from tokenizer.json: unknown bytes become <0xNN>
};

/// Reads a Hugging Face tokenizer.json (and tokenizer_config.json, may be empty):
/// model types BPE (byte-level, or SentencePiece-like with byte fallback) as real
/// Llama, SmolLM, Qwen, Gemma and Mistral folders have them. The pre-tokenizer is
/// recognised by its regular expressions. Errors: Error(invalid_file) or
/// Error(unsupported), starting with `where` (a path).
Vocabulary parse_hugging_face_tokenizer(const std::string& tokenizer_json,
                                        const std::string& tokenizer_config_json,
                                        const std::string& where);

}  // namespace lazyllm::text
