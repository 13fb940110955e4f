// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merges.h"
#include "text/pre_tokenizer.h"
#include "text/spaced_text.h"
#include "text/tokenizer_kinds.h"

namespace lazyllm::text {
namespace {

/// Hugging Face's "BPE" model as Llama 2, Mistral and Gemma use it, and llama.cpp's
/// "gemma4": no words, ranked merges over the characters of the whole text.
class CharacterBpeTokenizer final : public Tokenizer {
 public:
  explicit CharacterBpeTokenizer(Vocabulary vocabulary)
      : Tokenizer(std::move(vocabulary)),
        pre_tokenizer_(PreTokenizer::by_name(vocabulary_.pre)),
        merges_(vocabulary_),
        fallback_(vocabulary_) {
    build_pieces();
  }

 protected:
  void encode_run(std::string_view run, bool prefix, std::vector<TokenId>& out) const override {
    const size_t first = out.size();
    Merger merger;
    std::string buffer;
    if (prefix && run.starts_with(' ') && vocabulary_.pre == "before-spaces") {
      encode_piece("", true, first, merger, buffer, out);  // the prefix is a word of its own
      prefix = false;
    }
    for (const std::string_view piece : pre_tokenizer_.split(run)) {
      encode_piece(piece, prefix, first, merger, buffer, out);
      prefix = false;
    }
  }

  std::string normal_piece(const std::string& token) const override {
    return unescape_spaces(token);
  }

 private:
  void encode_piece(std::string_view piece, bool prefix, size_t first, Merger& merger,
                    std::string& buffer, std::vector<TokenId>& out) const {
    merger.clear();
    // First the text in the vocabulary's spelling, then the symbols of its characters.
    bool frozen_characters = false;
    for_each_spaced_character(
        piece, prefix, fallback_.can_spell(kSpaceMark), buffer,
        [&](uint32_t begin, uint32_t end, bool frozen) {
          frozen_characters = frozen_characters || frozen;
          const std::string_view character = std::string_view(buffer).substr(begin, end - begin);
          merger.append(frozen ? kFrozenSymbol : merges_.find(character), begin, end);
        });
    const std::string_view text = buffer;
    // llama.cpp's rule for gemma4: a run of newlines that is a token is never merged.
    const bool is_whole =
        vocabulary_.ignore_merges ||
        (vocabulary_.pre != "whole" && text.find_first_not_of('\n') == std::string_view::npos);
    if (is_whole && !frozen_characters) {
      const int32_t symbol = merges_.find(text);
      if (merges_.is_token(symbol)) {
        out.push_back(symbol);
        return;
      }
    }
    merger.run([this](const Symbol& left, const Symbol& right) -> Merge {
      if (left.id < 0 || right.id < 0) return {};
      return merges_.merge(left.id, right.id);
    });
    merger.for_each([&](const Symbol& symbol) {
      if (merges_.is_token(symbol.id)) {
        out.push_back(symbol.id);
        return;
      }
      const bool frozen = symbol.id == kFrozenSymbol;
      for (size_t at = symbol.begin; at < symbol.end;) {
        const uint32_t length = decode_utf8(text, at).length;
        fallback_.put(text.substr(at, length), frozen, first, out);
        at += length;
      }
    });
  }

  PreTokenizer pre_tokenizer_;
  BpeMerges merges_;
  ByteFallback fallback_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_character_bpe_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<CharacterBpeTokenizer>(std::move(vocabulary));
}

}  // namespace lazyllm::text
