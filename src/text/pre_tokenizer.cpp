// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include "base/error.h"

namespace lazyllm::text {
namespace {

/// Names of llama.cpp that cut text in the same way and have the same flags.
struct Family {
  std::vector<std::string_view> names;
  std::vector<Splitter> stages;
  bool ignore_merges = false;
  bool add_bos = false;
  bool byte_level = true;
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {{"default"},
       {split_default_punctuation, split_gpt2_words, split_number_runs, split_ascii_digit_triples}},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano"},
       {split_llama3_words},
       true,
       true},
      {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {split_llama3_words}},
      {{"glm4", "glm5"}, {split_llama3_words}, true},
      {{"jais-2"}, {split_jais2_words}},
      {{"minicpm5"}, {split_number_triples, split_minicpm5_words}, true},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan",
        "solar-open", "grok-2", "bailingmoe", "bailingmoe2", "llada-moe"},
       {split_qwen2_words}},
      {{"qwen35"}, {split_qwen35_words}},
      {{"laguna"}, {split_newline_runs, split_qwen2_words}},
      {{"seed-coder"}, {split_seed_coder_words}},
      {{"ufakzeka"}, {split_uncontracted_words}},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "gigachat", "mellum", "modern-bert",
        "a.x-4.0", "trillion", "granite-docling", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
        "jina-v1-en", "jina-v2-code", "roberta-bpe"},
       {split_gpt2_words}},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b",
        "mellum2"},
       {split_single_numbers, split_gpt2_words}},
      {{"falcon"}, {split_falcon_punctuation, split_gpt2_words, split_ascii_digit_triples}},
      {{"deepseek-llm"},
       {split_single_newlines, split_deepseek_alphabets, split_deepseek_punctuation,
        split_trailing_space, split_deepseek_cjk, split_number_runs}},
      {{"deepseek-coder"},
       {split_single_newlines, split_spaced_letters, split_spaced_punctuation, split_deepseek_cjk,
        split_single_numbers}},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
       {split_number_triples, split_deepseek3_cjk, split_deepseek3_words}},
      {{"tekken"}, {split_tekken_words}, true, true},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, {split_gpt4o_words}},
      {{"tiny_aya", "cohere2moe"}, {split_number_triples_from_right, split_gpt4o_words}},
      {{"superbpe"}, {split_number_triples_from_right}},
      {{"poro-chat", "bloom", "gpt3-finnish"}, {split_bloom_words}},
      {{"viking"}, {split_bloom_words, split_single_numbers}},
      {{"gemma4", "granite-embed-multi-311m"}, {split_newline_runs}, false, true, false},
      {{"sarvam-moe"}, {split_newline_runs}, false, false, false},
      {{"whole"}, {}},
  };
  return all;
}

const Family* find_family(std::string_view name) {
  for (const Family& family : families()) {
    for (const std::string_view known : family.names) {
      if (known == name) return &family;
    }
  }
  return nullptr;
}

std::vector<Character> decode(std::string_view text) {
  std::vector<Character> characters;
  characters.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const DecodedCharacter decoded = decode_utf8(text, offset);
    characters.push_back(
        {decoded.code_point, static_cast<uint32_t>(offset), classes_of(decoded.code_point)});
    offset += decoded.length;
  }
  return characters;
}

}  // namespace

void apply_pre_tokenizer_defaults(Vocabulary& vocabulary) {
  const Family* family = find_family(vocabulary.pre);
  if (family == nullptr) return;
  vocabulary.ignore_merges = family->ignore_merges;
  vocabulary.add_bos = family->add_bos;
  vocabulary.byte_level = family->byte_level;
  vocabulary.add_space_prefix = false;
}

PreTokenizer PreTokenizer::by_name(const std::string& name) {
  const Family* family = find_family(name);
  if (family != nullptr) return PreTokenizer(family->stages);
  std::string known;
  for (const Family& each : families()) {
    for (const std::string_view known_name : each.names) {
      if (!known.empty()) known += ", ";
      known += known_name;
    }
  }
  fail(ErrorCode::unsupported,
       "the pre-tokenizer '{}' of this model is not supported; supported are: {}", name, known);
}

std::vector<std::string_view> PreTokenizer::split(std::string_view text) const {
  if (text.empty()) return {};
  if (stages_.empty()) return {text};
  const std::vector<Character> characters = decode(text);
  std::vector<size_t> ends = {characters.size()};
  std::vector<size_t> next_ends;
  for (const Splitter stage : stages_) {
    next_ends.clear();
    next_ends.reserve(ends.size());
    size_t begin = 0;
    for (const size_t end : ends) {
      stage(Piece{characters.data(), begin, end}, next_ends);
      begin = end;
    }
    ends.swap(next_ends);
  }
  std::vector<std::string_view> pieces;
  pieces.reserve(ends.size());
  size_t begin = 0;
  for (const size_t end : ends) {
    const size_t stop = end < characters.size() ? characters[end].begin : text.size();
    pieces.push_back(text.substr(begin, stop - begin));
    begin = stop;
  }
  return pieces;
}

}  // namespace lazyllm::text
