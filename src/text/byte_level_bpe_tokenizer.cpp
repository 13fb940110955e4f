// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <unordered_map>

#include "text/bpe_merges.h"
#include "text/byte_alphabet.h"
#include "text/pre_tokenizer.h"
#include "text/tokenizer_kinds.h"

namespace lazyllm::text {
namespace {

class ByteLevelBpeTokenizer final : public Tokenizer {
 public:
  explicit ByteLevelBpeTokenizer(Vocabulary vocabulary)
      : Tokenizer(std::move(vocabulary)),
        pre_tokenizer_(PreTokenizer::by_name(vocabulary_.pre, vocabulary_.own_splits)),
        merges_(vocabulary_) {
    build_pieces();
    for (size_t byte = 0; byte < byte_symbols_.size(); ++byte) {
      byte_symbols_[byte] = merges_.intern(spelling_of_byte(static_cast<unsigned char>(byte)));
    }
  }

 protected:
  void encode_run(std::string_view run, bool prefix, std::vector<TokenId>& out) const override {
    if (prefix) {
      encode_run(' ' + std::string(run), false, out);
      return;
    }
    // Words repeat: the tokens of each are kept as a range of `out` for this run.
    std::unordered_map<std::string_view, std::pair<size_t, size_t>> seen;
    Merger merger;
    for (const std::string_view word : pre_tokenizer_.split(run)) {
      const auto [position, is_new] = seen.try_emplace(word, out.size(), 0);
      auto& [begin, count] = position->second;
      if (is_new) {
        encode_word(word, merger, out);
        count = out.size() - begin;
      } else {
        for (size_t i = 0; i < count; ++i) out.push_back(TokenId(out[begin + i]));
      }
    }
  }

  std::string normal_piece(const std::string& token) const override {
    return bytes_of_spelling(token);
  }

 private:
  void encode_word(std::string_view word, Merger& merger, std::vector<TokenId>& out) const {
    if (vocabulary_.ignore_merges) {
      const int32_t symbol = merges_.find(spelling_of_bytes(word));
      if (merges_.is_token(symbol)) {
        out.push_back(symbol);
        return;
      }
    }
    merger.clear();
    for (uint32_t i = 0; i < word.size(); ++i) {
      merger.append(byte_symbols_[static_cast<uint8_t>(word[i])], i, i + 1);
    }
    merger.run([this](const Symbol& left, const Symbol& right) {
      return merges_.merge(left.id, right.id);
    });
    merger.for_each([&](const Symbol& symbol) {
      if (merges_.is_token(symbol.id)) {
        out.push_back(symbol.id);
        return;
      }
      // A merge that leads to no token, or a byte that the vocabulary lacks.
      for (uint32_t i = symbol.begin; i < symbol.end; ++i) {
        const int32_t byte = byte_symbols_[static_cast<uint8_t>(word[i])];
        if (merges_.is_token(byte)) {
          out.push_back(byte);
        } else if (vocabulary_.unknown != kNoToken) {
          out.push_back(vocabulary_.unknown);
        }
      }
    });
  }

  PreTokenizer pre_tokenizer_;
  BpeMerges merges_;
  std::array<int32_t, 256> byte_symbols_{};
};

}  // namespace

std::unique_ptr<const Tokenizer> make_byte_level_bpe_tokenizer(Vocabulary vocabulary) {
  return std::make_unique<ByteLevelBpeTokenizer>(std::move(vocabulary));
}

}  // namespace lazyllm::text
