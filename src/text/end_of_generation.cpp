// SPDX-License-Identifier: Apache-2.0
#include "text/end_of_generation.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace lazyllm::text {
namespace {

constexpr std::array<std::string_view, 11> kEndsOfTurn = {
    "<|eot_id|>",         "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>",
    "<|end_of_text|>",    "<EOT>",      "_<EOT>",  "[EOT]",         "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
};

constexpr std::array<std::string_view, 7> kFurtherEnds = {
    "<|eom_id|>", "<|return|>", "<|call|>", "<|calls|>", "<|flush|>", "<turn|>", "[e~[",
};

template <size_t size>
bool contains(const std::array<std::string_view, size>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void add(Vocabulary& vocabulary, TokenId token) {
  auto& ends = vocabulary.end_of_generation;
  if (token == kNoToken || std::find(ends.begin(), ends.end(), token) != ends.end()) return;
  ends.push_back(token);
}

}  // namespace

void find_ends_of_generation(Vocabulary& vocabulary) {
  add(vocabulary, vocabulary.eos);
  add(vocabulary, vocabulary.eot);
  add(vocabulary, vocabulary.eom);
  TokenId end_tag = kNoToken;
  bool is_harmony = false;  // there <|end|> ends a message, not the answer
  for (size_t i = 0; i < vocabulary.tokens.size(); ++i) {
    const std::string_view spelling = vocabulary.tokens[i];
    const auto token = static_cast<TokenId>(i);
    const bool ends_turn = contains(kEndsOfTurn, spelling);
    if (!ends_turn && !contains(kFurtherEnds, spelling)) continue;
    vocabulary.types[i] = TokenType::control;
    if (spelling == "<|end|>") end_tag = token;
    is_harmony = is_harmony || spelling == "<|call|>" || spelling == "<|calls|>";
    add(vocabulary, token);
    if (ends_turn && vocabulary.eot == kNoToken) vocabulary.eot = token;
  }
  if (is_harmony && end_tag != kNoToken && end_tag != vocabulary.eos) {
    std::erase(vocabulary.end_of_generation, end_tag);
    if (vocabulary.eot == end_tag) vocabulary.eot = kNoToken;
  }
}

}  // namespace lazyllm::text
