// SPDX-License-Identifier: Apache-2.0
#include "text/pre_tokenizer.h"

#include <algorithm>
#include <iterator>

#include "base/error.h"

namespace lazyllm::text {
namespace {

struct NamedScanner {
  std::string_view name;
  Splitter splitter;
};

/// The building blocks by name, for pre-tokenizers that are put together ("a|b|c").
constexpr NamedScanner kScanners[] = {
    {"gpt2-words", split_gpt2_words},
    {"llama3-words", split_llama3_words},
    {"jais2-words", split_jais2_words},
    {"qwen2-words", split_qwen2_words},
    {"qwen35-words", split_qwen35_words},
    {"minicpm5-words", split_minicpm5_words},
    {"seed-coder-words", split_seed_coder_words},
    {"uncontracted-words", split_uncontracted_words},
    {"tekken-words", split_tekken_words},
    {"gpt4o-words", split_gpt4o_words},
    {"deepseek3-words", split_deepseek3_words},
    {"bloom-words", split_bloom_words},
    {"single-numbers", split_single_numbers},
    {"number-runs", split_number_runs},
    {"number-triples", split_number_triples},
    {"number-triples-from-right", split_number_triples_from_right},
    {"ascii-digit-triples", split_ascii_digit_triples},
    {"default-punctuation", split_default_punctuation},
    {"punctuation-runs", split_falcon_punctuation},
    {"single-newlines", split_single_newlines},
    {"newline-runs", split_newline_runs},
    {"spaced-letters", split_spaced_letters},
    {"spaced-punctuation", split_spaced_punctuation},
    {"deepseek-alphabets", split_deepseek_alphabets},
    {"deepseek-punctuation", split_deepseek_punctuation},
    {"deepseek-cjk", split_deepseek_cjk},
    {"deepseek3-cjk", split_deepseek3_cjk},
    {"trailing-space", split_trailing_space},
    {"before-spaces", split_before_spaces},
};

/// Names of llama.cpp that cut text in the same way and have the same flags.
struct Family {
  std::vector<std::string_view> names;
  std::string_view stages;
  bool ignore_merges = false;
  bool add_bos = false;
  bool byte_level = true;
};

const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      {{"default"}, "default-punctuation|gpt2-words|number-runs|ascii-digit-triples"},
      {{"llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2",
        "jina-v5-nano"},
       "llama3-words",
       true,
       true},
      {{"dbrx", "smaug-bpe", "chatglm-bpe"}, "llama3-words"},
      {{"glm4", "glm5"}, "llama3-words", true},
      {{"jais-2"}, "jais2-words"},
      {{"minicpm5"}, "number-triples|minicpm5-words", true},
      {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2", "hunyuan",
        "solar-open", "grok-2", "bailingmoe", "bailingmoe2", "llada-moe"},
       "qwen2-words"},
      {{"qwen35"}, "qwen35-words"},
      {{"laguna"}, "newline-runs|qwen2-words"},
      {{"seed-coder"}, "seed-coder-words"},
      {{"ufakzeka"}, "uncontracted-words"},
      {{"gpt-2", "phi-2", "mpt", "olmo", "jais", "exaone4", "gigachat", "mellum", "modern-bert",
        "a.x-4.0", "trillion", "granite-docling", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de",
        "jina-v1-en", "jina-v2-code", "roberta-bpe"},
       "gpt2-words"},
      {{"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b",
        "mellum2"},
       "single-numbers|gpt2-words"},
      {{"falcon"}, "punctuation-runs|gpt2-words|ascii-digit-triples"},
      {{"deepseek-llm"},
       "single-newlines|deepseek-alphabets|deepseek-punctuation|trailing-space|deepseek-cjk|"
       "number-runs"},
      {{"deepseek-coder"},
       "single-newlines|spaced-letters|spaced-punctuation|deepseek-cjk|single-numbers"},
      {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
       "number-triples|deepseek3-cjk|deepseek3-words"},
      {{"tekken"}, "tekken-words", true, true},
      {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"}, "gpt4o-words"},
      {{"tiny_aya", "cohere2moe"}, "number-triples-from-right|gpt4o-words"},
      {{"superbpe"}, "number-triples-from-right"},
      {{"poro-chat", "bloom", "gpt3-finnish"}, "bloom-words"},
      {{"viking"}, "bloom-words|single-numbers"},
      {{"gemma4", "granite-embed-multi-311m"}, "newline-runs", false, true, false},
      {{"sarvam-moe"}, "newline-runs", false, false, false},
      {{"whole"}, ""},
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

/// Cuts one piece by an expression; `characters` are those of the whole `text`.
void split_by_expression(const RegexSplitter& expression, std::string_view text, const Piece& piece,
                         size_t byte_end, std::vector<size_t>& ends, std::vector<bool>& dropped) {
  const size_t begin = piece.text[piece.begin].begin;
  std::vector<Cut> cuts;
  expression.split(text.substr(begin, byte_end - begin), cuts);
  size_t last = piece.begin;
  const Character* at = piece.text + piece.begin;
  const Character* const end = piece.text + piece.end;
  for (const Cut& cut : cuts) {
    at = std::lower_bound(at, end, begin + cut.end,
                          [](const Character& c, size_t byte) { return c.begin < byte; });
    const auto place = static_cast<size_t>(at - piece.text);
    if (place == last) continue;  // inside a broken character
    ends.push_back(place);
    dropped.push_back(cut.dropped);
    last = place;
  }
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
  // Their tokenizer.json says so, a GGUF file cannot.
  for (const std::string_view name :
       {"qwen2", "qwen35", "command-r", "mpt", "olmo", "modern-bert"}) {
    if (vocabulary.pre == name) vocabulary.normalizer = {{.kind = NormalizerStep::Kind::nfc}};
  }
}

/// The stages of "a|b|c"; empty if one is unknown.
std::vector<PreTokenizer::Stage> PreTokenizer::find_stages(std::string_view names,
                                                           const std::vector<OwnSplit>& own) {
  std::vector<Stage> result;
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('|'));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    const auto scanner =
        std::find_if(std::begin(kScanners), std::end(kScanners),
                     [name](const NamedScanner& each) { return each.name == name; });
    if (scanner != std::end(kScanners)) {
      result.push_back({scanner->splitter, nullptr});
      continue;
    }
    size_t index = 0;
    while (index < own.size() && name != fmt::format("own-{}", index)) ++index;
    if (index == own.size()) return {};
    result.push_back({nullptr, std::make_shared<const RegexSplitter>(own[index])});
  }
  return result;
}

PreTokenizer PreTokenizer::by_name(const std::string& name, const std::vector<OwnSplit>& own) {
  const Family* family = find_family(name);
  if (family != nullptr) return PreTokenizer(find_stages(family->stages, own));
  if (std::vector<Stage> stages = find_stages(name, own); !stages.empty()) {
    return PreTokenizer(std::move(stages));
  }
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
  const auto byte_of = [&](size_t character) {
    return character < characters.size() ? characters[character].begin : text.size();
  };
  std::vector<size_t> ends = {characters.size()};
  std::vector<bool> dropped = {false};
  std::vector<size_t> next_ends;
  std::vector<bool> next_dropped;
  for (const Stage& stage : stages_) {
    next_ends.clear();
    next_ends.reserve(ends.size());
    next_dropped.clear();
    size_t begin = 0;
    for (size_t i = 0; i < ends.size(); ++i) {
      const Piece piece{characters.data(), begin, ends[i]};
      if (dropped[i]) {
        next_ends.push_back(piece.end);
      } else if (stage.scanner != nullptr) {
        stage.scanner(piece, next_ends);
      } else {
        split_by_expression(*stage.expression, text, piece, byte_of(piece.end), next_ends,
                            next_dropped);
      }
      next_dropped.resize(next_ends.size(), dropped[i]);
      begin = piece.end;
    }
    ends.swap(next_ends);
    dropped.swap(next_dropped);
  }
  std::vector<std::string_view> pieces;
  pieces.reserve(ends.size());
  size_t begin = 0;
  for (size_t i = 0; i < ends.size(); ++i) {
    const size_t stop = byte_of(ends[i]);
    if (!dropped[i]) pieces.push_back(text.substr(begin, stop - begin));
    begin = stop;
  }
  return pieces;
}

}  // namespace lazyllm::text
