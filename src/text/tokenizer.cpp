// SPDX-License-Identifier: Apache-2.0
#include "text/tokenizer.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/end_of_generation.h"
#include "text/spaced_text.h"
#include "text/special_tokens.h"
#include "text/tokenizer_kinds.h"

namespace lazyllm::text {
namespace {

/// Positions in a text are 32-bit, and a space may grow to three bytes.
constexpr size_t kMostTextBytes = size_t{1} << 30;

void check_token(const Vocabulary& vocabulary, TokenId token, std::string_view name) {
  if (token == kNoToken) return;
  if (token < 0 || static_cast<size_t>(token) >= vocabulary.tokens.size()) {
    fail(ErrorCode::invalid_file,
         "the tokenizer's {} token has the id {}, but the vocabulary has {} tokens; the model file "
         "is damaged",
         name, token, vocabulary.tokens.size());
  }
}

/// Checks what the implementations rely on and fills in what may be left out.
void complete(Vocabulary& vocabulary) {
  const size_t size = vocabulary.tokens.size();
  if (size == 0 || size > size_t{1} << 28) {
    fail(ErrorCode::invalid_file,
         "the tokenizer's vocabulary has {} tokens; the model file is damaged", size);
  }
  if (vocabulary.types.empty()) vocabulary.types.assign(size, TokenType::normal);
  if (vocabulary.kind == Vocabulary::Kind::spm && vocabulary.scores.empty()) {
    vocabulary.scores.assign(size, 0.0F);
  }
  if (vocabulary.types.size() != size ||
      (vocabulary.kind == Vocabulary::Kind::spm && vocabulary.scores.size() != size)) {
    fail(ErrorCode::invalid_file,
         "the tokenizer has {} tokens but {} token types and {} scores; the model file is damaged",
         size, vocabulary.types.size(), vocabulary.scores.size());
  }
  if (vocabulary.merges.size() > size_t{1} << 28) {
    fail(ErrorCode::invalid_file, "the tokenizer has {} merges; the model file is damaged",
         vocabulary.merges.size());
  }
  check_token(vocabulary, vocabulary.bos, "BOS");
  check_token(vocabulary, vocabulary.eos, "EOS");
  check_token(vocabulary, vocabulary.eot, "EOT");
  check_token(vocabulary, vocabulary.eom, "EOM");
  check_token(vocabulary, vocabulary.unknown, "unknown");
  check_token(vocabulary, vocabulary.padding, "padding");
  check_token(vocabulary, vocabulary.separator, "separator");
  for (const TokenId token : vocabulary.end_of_generation) {
    check_token(vocabulary, token, "end-of-generation");
  }
  find_ends_of_generation(vocabulary);
}

}  // namespace

/// A text with the parts of it in which special tokens may be parsed.
struct Tokenizer::Prompt {
  std::string_view text;
  std::vector<ByteRange> trusted;
};

/// From places in a run of text to places in the prompt.
class ByteOrigin {
 public:
  /// `origins`: see Normalizer::apply; null where nothing was changed. `begin`: of the run in it.
  ByteOrigin(size_t prompt_begin, const std::vector<uint32_t>* origins, size_t begin)
      : prompt_begin_(prompt_begin), origins_(origins), begin_(begin) {}

  size_t operator()(size_t at) const {
    return prompt_begin_ + (origins_ == nullptr ? begin_ + at : (*origins_)[begin_ + at]);
  }
  ByteOrigin after(size_t bytes) const { return {prompt_begin_, origins_, begin_ + bytes}; }

 private:
  size_t prompt_begin_;
  const std::vector<uint32_t>* origins_;
  size_t begin_;
};

/// What encoding appends to.
struct Tokenizer::Output {
  std::vector<TokenId>& tokens;
  std::vector<size_t>* ends;  ///< may be null

  void put(TokenId token, size_t end) const {
    tokens.push_back(token);
    if (ends != nullptr) ends->push_back(end);
  }
};

Tokenizer::Tokenizer(Vocabulary vocabulary)
    : vocabulary_(std::move(vocabulary)),
      normalizer_(vocabulary_.normalizer),
      special_tokens_(std::make_unique<SpecialTokens>(vocabulary_, nullptr)),
      end_of_generation_(vocabulary_.tokens.size()) {
  if (!normalizer_.empty()) {
    auto normalized = std::make_unique<SpecialTokens>(vocabulary_, &normalizer_);
    if (!normalized->empty()) normalized_tokens_ = std::move(normalized);
  }
  for (const TokenId token : vocabulary_.end_of_generation) {
    end_of_generation_[static_cast<size_t>(token)] = true;
  }
}

Tokenizer::~Tokenizer() = default;

std::unique_ptr<const Tokenizer> Tokenizer::create(Vocabulary vocabulary) {
  complete(vocabulary);
  if (vocabulary.kind == Vocabulary::Kind::spm) return make_spm_tokenizer(std::move(vocabulary));
  if (vocabulary.byte_level) return make_byte_level_bpe_tokenizer(std::move(vocabulary));
  return make_character_bpe_tokenizer(std::move(vocabulary));
}

void Tokenizer::build_pieces() {
  pieces_.reserve(vocabulary_.tokens.size());
  for (size_t i = 0; i < vocabulary_.tokens.size(); ++i) {
    const std::string& token = vocabulary_.tokens[i];
    const TokenType token_type = vocabulary_.types[i];
    const int byte = token_type == TokenType::byte ? byte_of_token(token) : -1;
    if (byte >= 0) {
      pieces_.emplace_back(1, static_cast<char>(byte));
    } else if (token_type == TokenType::normal || token_type == TokenType::unused) {
      pieces_.push_back(normal_piece(token));
    } else {
      pieces_.push_back(token);
    }
  }
}

bool Tokenizer::adds_prefix(bool at_start) const {
  const bool spaced = vocabulary_.kind == Vocabulary::Kind::spm || !vocabulary_.byte_level;
  return spaced && vocabulary_.add_space_prefix && (at_start || !vocabulary_.prefix_at_start_only);
}

bool Tokenizer::adds_prefix(std::string_view run, bool at_start) const {
  const bool has_one = run.starts_with(' ') || run.starts_with(kSpaceMark);
  const bool byte_level = vocabulary_.kind == Vocabulary::Kind::bpe && vocabulary_.byte_level;
  if (byte_level) return vocabulary_.byte_level_prefix && !run.starts_with(' ');
  return adds_prefix(at_start) && !(vocabulary_.prefix_unless_space && has_one);
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, bool add_special,
                                       bool parse_special) const {
  Prompt prompt;
  prompt.text = text;
  if (parse_special) prompt.trusted.push_back({0, text.size()});
  return encode(prompt, add_special);
}

std::vector<TokenId> Tokenizer::encode(std::span<const TextSegment> segments, bool add_special,
                                       std::vector<size_t>* ends) const {
  // One text, so that what a user wrote is tokenised together with what stands around it.
  std::string text;
  Prompt prompt;
  for (const TextSegment& segment : segments) {
    if (segment.text.empty()) continue;
    const size_t begin = text.size();
    text += segment.text;
    if (!segment.from_template) continue;
    if (!prompt.trusted.empty() && prompt.trusted.back().end == begin) {
      prompt.trusted.back().end = text.size();
    } else {
      prompt.trusted.push_back({begin, text.size()});
    }
  }
  prompt.text = text;
  return encode(prompt, add_special, ends);
}

std::vector<TokenId> Tokenizer::encode(const Prompt& prompt, bool add_special,
                                       std::vector<size_t>* ends) const {
  if (prompt.text.size() > kMostTextBytes) {
    fail(ErrorCode::invalid_input, "a text of {} bytes is too long to tokenise; the limit is {}",
         prompt.text.size(), kMostTextBytes);
  }
  std::vector<TokenId> tokens;
  const std::vector<Fragment> fragments = special_tokens_->partition(prompt.text, prompt.trusted);
  const bool has_bos = !fragments.empty() && vocabulary_.bos != kNoToken &&
                       fragments.front().token == vocabulary_.bos;
  const bool has_eos = !fragments.empty() && vocabulary_.eos != kNoToken &&
                       fragments.back().token == vocabulary_.eos;
  const Output out{tokens, ends};
  if (add_special && vocabulary_.add_bos && vocabulary_.bos != kNoToken && !has_bos) {
    out.put(vocabulary_.bos, 0);
  }
  for (const Fragment& fragment : fragments) {
    if (fragment.token != kNoToken) {
      out.put(fragment.token, fragment.end);
    } else if (normalizer_.empty()) {
      encode_plain(prompt.text.substr(fragment.begin, fragment.end - fragment.begin),
                   ByteOrigin(fragment.begin, nullptr, 0), out);
    } else {
      encode_normalized(prompt, {fragment.begin, fragment.end}, out);
    }
  }
  if (add_special && vocabulary_.add_eos && vocabulary_.eos != kNoToken && !has_eos) {
    out.put(vocabulary_.eos, prompt.text.size());
  }
  return tokens;
}

void Tokenizer::encode_normalized(const Prompt& prompt, ByteRange range, const Output& out) const {
  std::vector<uint32_t> origins;
  const std::string text =
      normalizer_.apply(prompt.text.substr(range.begin, range.end - range.begin), &origins);
  if (text.size() > kMostTextBytes) {
    fail(ErrorCode::invalid_input, "a text of {} bytes in its normal form is too long to tokenise",
         text.size());
  }
  const ByteOrigin origin(range.begin, &origins, 0);
  if (normalized_tokens_ == nullptr) {
    if (!text.empty()) encode_plain(text, origin, out);
    return;
  }
  std::vector<ByteRange> trusted;  // the same as in the prompt
  size_t at = 0;
  for (const ByteRange& each : prompt.trusted) {
    while (at < text.size() && origin(at) < each.begin) ++at;
    const size_t begin = at;
    while (at < text.size() && origin(at + 1) <= each.end) ++at;
    if (begin < at) trusted.push_back({begin, at});
  }
  for (const Fragment& fragment : normalized_tokens_->partition(text, trusted)) {
    if (fragment.token != kNoToken) {
      out.put(fragment.token, origin(fragment.end));
      continue;
    }
    encode_plain(std::string_view(text).substr(fragment.begin, fragment.end - fragment.begin),
                 origin.after(fragment.begin), out);
  }
}

/// A run of text without special tokens, as the normalizer left it.
void Tokenizer::encode_plain(std::string_view run, const ByteOrigin& origin,
                             const Output& out) const {
  const bool prefix = adds_prefix(run, origin(0) == 0);
  const size_t first = out.tokens.size();
  encode_run(run, prefix, out.tokens);
  if (out.ends != nullptr) {
    append_ends(std::span(out.tokens).subspan(first), run, origin, prefix, *out.ends);
  }
}

void Tokenizer::append_ends(std::span<const TokenId> run_tokens, std::string_view run,
                            const ByteOrigin& origin, bool prefix,
                            std::vector<size_t>& ends) const {
  size_t at = 0;
  for (size_t i = 0; i < run_tokens.size(); ++i) {
    const std::string& bytes = pieces_[static_cast<size_t>(run_tokens[i])];
    const bool has_prefix = i == 0 && prefix && bytes.starts_with(' ');
    at = std::min(run.size(), at + bytes.size() - (has_prefix ? 1 : 0));
    if (i + 1 == run_tokens.size()) at = run.size();
    ends.push_back(origin(at));
  }
}

void Tokenizer::check(std::span<const TokenId> tokens) const {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < size()) continue;
    fail(ErrorCode::invalid_input,
         "token {} at position {} is not in the vocabulary; ids go from 0 to {}", tokens[i], i,
         size() - 1);
  }
}

std::string Tokenizer::piece(TokenId token, bool special) const {
  check({&token, 1});
  const TokenType token_type = type(token);
  const bool is_special = token_type == TokenType::control || token_type == TokenType::unknown;
  return is_special && !special ? std::string() : pieces_[static_cast<size_t>(token)];
}

std::string Tokenizer::decode(std::span<const TokenId> tokens, bool special) const {
  check(tokens);
  std::string text;
  bool at_run_start = true;
  bool at_text_start = true;  // a BOS before it does not count
  for (const TokenId token : tokens) {
    const TokenType token_type = type(token);
    const std::string& bytes = pieces_[static_cast<size_t>(token)];
    if (token_type == TokenType::control || token_type == TokenType::user_defined) {
      if (special || token_type == TokenType::user_defined) text += bytes;
      at_run_start = true;
      at_text_start = at_text_start && token_type == TokenType::control;
      continue;
    }
    const bool strip = at_run_start && adds_prefix(at_text_start) && bytes.starts_with(' ');
    if (token_type != TokenType::unknown || special) text += bytes.substr(strip ? 1 : 0);
    at_run_start = false;
    at_text_start = false;
  }
  return text;
}

bool Tokenizer::is_end_of_generation(TokenId token) const {
  return token >= 0 && token < size() && end_of_generation_[static_cast<size_t>(token)];
}

}  // namespace lazyllm::text
