// SPDX-License-Identifier: Apache-2.0
#include "text/bpe_merges.h"
#include "text/pre_tokenizer.h"
#include "text/spaced_tokenizer.h"
#include "text/tokenizer_kinds.h"

namespace lazyllm::text {
namespace {

/// Hugging Face's "BPE" model as Llama 2, Mistral and Gemma use it, and llama.cpp's
/// "gemma4": ranked merges over the characters of the whole text.
class CharacterBpeTokenizer final : public SpacedTokenizer {
 public:
  explicit CharacterBpeTokenizer(Vocabulary vocabulary)
      : SpacedTokenizer(std::move(vocabulary)),
        pre_tokenizer_(PreTokenizer::by_name(vocabulary_.pre, vocabulary_.own_splits)),
        merges_(vocabulary_) {
    merges_.for_each_spelling([this](std::string_view spelling) { learn_cuts(spelling); });
  }

 protected:
  void encode_run(std::string_view run, bool prefix, std::vector<TokenId>& out) const override {
    if (prefix && run.starts_with(' ') && vocabulary_.pre == "before-spaces") {
      encode_text("", true, out);  // the prefix is a word of its own
      prefix = false;
    }
    for (const std::string_view piece : pre_tokenizer_.split(run)) {
      encode_text(piece, prefix, out);
      prefix = false;
    }
  }

  int32_t symbol_of(std::string_view character) const override { return merges_.find(character); }

  void merge(Merger& merger, std::string_view /*text*/) const override {
    merger.run([this](const Symbol& left, const Symbol& right) -> Merge {
      if (left.id < 0 || right.id < 0) return {};
      return merges_.merge(left.id, right.id);
    });
  }

  bool is_token(int32_t symbol) const override { return merges_.is_token(symbol); }

  TokenId whole_token(std::string_view text) const override {
    // llama.cpp's rule for gemma4: a run of newlines that is a token is never merged.
    const bool wins =
        vocabulary_.ignore_merges || (vocabulary_.pre != "whole" && !text.empty() &&
                                      text.find_first_not_of('\n') == std::string_view::npos);
    if (!wins) return kNoToken;
    const int32_t symbol = merges_.find(text);
    return merges_.is_token(symbol) ? symbol : kNoToken;
  }

 private:
  PreTokenizer pre_tokenizer_;
  BpeMerges merges_;
};

}  // namespace

std::unique_ptr<const Tokenizer> make_character_bpe_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<CharacterBpeTokenizer>(std::move(vocabulary));
}

}  // namespace lazyllm::text
