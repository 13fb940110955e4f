// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace lazyllm::text {

class SpecialTokens;
class ByteOrigin;
struct ByteRange;

/// A stretch of text with its origin: only text that a chat template wrote may
/// become special tokens; what a user wrote never does.
struct TextSegment {
  static constexpr int kNoMessage = -1;

  std::string text;
  bool from_template = false;
  int message = kNoMessage;  ///< index of the message that it is from, where that is known
  bool is_role = false;      ///< the name of that message's role
};

/// Text <-> token ids. Immutable and thread-safe.
class Tokenizer {
 public:
  virtual ~Tokenizer();
  Tokenizer(const Tokenizer&) = delete;
  Tokenizer& operator=(const Tokenizer&) = delete;

  /// Errors: Error(unsupported) naming an unknown pre-tokenizer and the known ones;
  /// Error(invalid_file) for a contradictory vocabulary.
  static std::unique_ptr<const Tokenizer> create(Vocabulary vocabulary);

  /// `add_special`: put BOS (and EOS) where the vocabulary asks for it.
  /// `parse_special`: text that spells a control or user-defined token becomes it.
  /// (User-defined tokens are recognised in any case, as llama.cpp does.)
  /// Any bytes are accepted; invalid UTF-8 goes through byte tokens.
  std::vector<TokenId> encode(std::string_view text, bool add_special, bool parse_special) const;

  /// A rendered chat template. Special tokens are parsed in template segments
  /// only. No BOS is added (templates write it themselves) unless `add_special`
  /// and the text does not begin with it.
  /// `ends` takes for each token how many bytes of the concatenated segments come before its end
  /// (exact, but for a run of text with unknown tokens, in which they stay in order, and inside a
  /// character that the normalizer changed, where its end is taken).
  std::vector<TokenId> encode(std::span<const TextSegment> segments, bool add_special,
                              std::vector<size_t>* ends = nullptr) const;

  /// The bytes of one token. Control and unknown tokens give "" unless `special`.
  std::string piece(TokenId token, bool special = false) const;

  /// decode(encode(text, false, false)) == text for every text, if the vocabulary has a token
  /// for every byte, no normalizer and no space that depends on the text. Where encode() put a
  /// space before a run of text, it is taken away (not from byte-level tokens).
  std::string decode(std::span<const TokenId> tokens, bool special = false) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }
  int64_t size() const { return static_cast<int64_t>(vocabulary_.tokens.size()); }
  /// True for EOS, EOT, EOM and the vocabulary's further ends of generation.
  bool is_end_of_generation(TokenId token) const;
  /// Errors: Error(invalid_input) with the first id that is out of range.
  void check(std::span<const TokenId> tokens) const;

 protected:
  explicit Tokenizer(Vocabulary vocabulary);

  /// Appends the tokens of text without special tokens; `prefix`: with the space before it
  /// that the vocabulary asks for.
  virtual void encode_run(std::string_view run, bool prefix, std::vector<TokenId>& out) const = 0;
  /// The bytes of a normal token.
  virtual std::string normal_piece(const std::string& token) const = 0;
  /// To be called at the end of a derived class's constructor.
  void build_pieces();

  TokenType type(TokenId token) const { return vocabulary_.types[static_cast<size_t>(token)]; }

  Vocabulary vocabulary_;

 private:
  struct Prompt;
  std::vector<TokenId> encode(const Prompt& prompt, bool add_special,
                              std::vector<size_t>* ends = nullptr) const;
  struct Output;
  void encode_normalized(const Prompt& prompt, ByteRange range, const Output& out) const;
  void encode_plain(std::string_view run, const ByteOrigin& origin, const Output& out) const;
  void append_ends(std::span<const TokenId> run_tokens, std::string_view run,
                   const ByteOrigin& origin, bool prefix, std::vector<size_t>& ends) const;
  bool adds_prefix(bool at_start) const;
  bool adds_prefix(std::string_view run, bool at_start) const;

  Normalizer normalizer_;
  std::unique_ptr<const SpecialTokens> special_tokens_;
  std::unique_ptr<const SpecialTokens> normalized_tokens_;  ///< null: none of them is normalised
  std::vector<std::string> pieces_;      ///< the bytes of each token, special ones spelled out
  std::vector<bool> end_of_generation_;  ///< by token
};

/// Turns tokens into text as they come and holds back incomplete UTF-8
/// characters. What it gives is valid UTF-8: invalid bytes become U+FFFD. A leading space is
/// kept, since an answer continues a text. Not thread-safe; one per answer.
class StreamingDetokenizer {
 public:
  explicit StreamingDetokenizer(const Tokenizer& tokenizer, bool special = false);

  /// Text that is complete now; may be empty.
  std::string push(TokenId token);
  /// What is held back, an unfinished character replaced by U+FFFD.
  std::string finish();

 private:
  const Tokenizer& tokenizer_;
  bool special_;
  std::string pending_;
};

}  // namespace lazyllm::text
