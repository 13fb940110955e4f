// SPDX-License-Identifier: Apache-2.0
#include "engine/vocabulary_loader.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/non_numbers.h"

namespace lazyllm::engine {
namespace {

using text::TokenId;
using text::TokenType;
using text::Vocabulary;

const std::string kPrefix = "tokenizer.ggml.";

TokenId token_id(const formats::ModelFile& file, const std::string& key,
                 const Vocabulary& vocabulary, TokenId fallback = text::kNoToken) {
  if (!file.has(kPrefix + key)) return fallback;
  const int64_t id = file.integer(kPrefix + key, -1, UINT32_MAX);
  // Converters write 2^32-1 and ids past the end for "none".
  return id < static_cast<int64_t>(vocabulary.tokens.size()) ? static_cast<TokenId>(id)
                                                             : text::kNoToken;
}

void read_tokens(const formats::ModelFile& file, Vocabulary& vocabulary) {
  vocabulary.tokens = file.texts(kPrefix + "tokens");
  const size_t count = vocabulary.tokens.size();
  for (const double score : file.reals(kPrefix + "scores")) {
    vocabulary.scores.push_back(static_cast<float>(score));
  }
  for (const int64_t type : file.integers(kPrefix + "token_type")) {
    const bool known = type >= 1 && type <= 6;
    vocabulary.types.push_back(known ? static_cast<TokenType>(type) : TokenType::normal);
  }
  if (vocabulary.types.empty()) vocabulary.types.assign(count, TokenType::normal);
  const bool scores_fit = vocabulary.scores.size() == count ||
                          (vocabulary.scores.empty() && vocabulary.kind == Vocabulary::Kind::bpe);
  if (count == 0 || vocabulary.types.size() != count || !scores_fit) {
    fail(ErrorCode::invalid_file,
         "{}: the vocabulary has {} tokens, {} scores and {} types; convert the model again",
         file.path().string(), count, vocabulary.scores.size(), vocabulary.types.size());
  }
}

void read_special_tokens(const formats::ModelFile& file, Vocabulary& vocabulary) {
  const bool spm = vocabulary.kind == Vocabulary::Kind::spm;
  vocabulary.bos = token_id(file, "bos_token_id", vocabulary, spm ? 1 : text::kNoToken);
  vocabulary.eos = token_id(file, "eos_token_id", vocabulary, spm ? 2 : text::kNoToken);
  vocabulary.unknown = token_id(file, "unknown_token_id", vocabulary, spm ? 0 : text::kNoToken);
  vocabulary.eot = token_id(file, "eot_token_id", vocabulary);
  vocabulary.eom = token_id(file, "eom_token_id", vocabulary);
  vocabulary.padding = token_id(file, "padding_token_id", vocabulary);
  vocabulary.separator =
      token_id(file, "seperator_token_id", vocabulary);  // sic, the key's spelling
  for (const int64_t id : file.integers(kPrefix + "eos_token_ids")) {
    if (id >= 0 && id < static_cast<int64_t>(vocabulary.tokens.size())) {
      vocabulary.end_of_generation.push_back(static_cast<TokenId>(id));
    }
  }
  // Files often leave out eot_token_id: tokens that end a turn are known by their text.
  for (size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    if (vocabulary.types[id] != TokenType::control &&
        vocabulary.types[id] != TokenType::user_defined)
      continue;
    for (const std::string_view end : {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",
                                       "<|endoftext|>", "<|eom_id|>", "<|end_of_text|>",
                                       // Behind code that was filled in, another file begins.
                                       "<|fim_pad|>", "<|repo_name|>", "<|file_sep|>"}) {
      if (vocabulary.tokens[id] == end)
        vocabulary.end_of_generation.push_back(static_cast<TokenId>(id));
    }
  }
}

Vocabulary read_gguf_vocabulary(const formats::ModelFile& file, const std::string& kind) {
  Vocabulary vocabulary;
  if (kind == "llama") {
    vocabulary.kind = Vocabulary::Kind::spm;
  } else if (kind == "gpt2" || kind == "gemma4") {
    vocabulary.kind = Vocabulary::Kind::bpe;
  } else {
    fail(ErrorCode::unsupported,
         "{}: tokenizer '{}' is not supported; supported are llama (SPM) and gpt2 (BPE)",
         file.path().string(), kind);
  }
  const bool spm = vocabulary.kind == Vocabulary::Kind::spm;
  read_tokens(file, vocabulary);
  read_special_tokens(file, vocabulary);
  if (!spm) vocabulary.merges = file.texts(kPrefix + "merges");
  vocabulary.pre = kind == "gemma4" ? kind : file.text(kPrefix + "pre", "default");
  if (spm) {
    vocabulary.add_bos = true;
  } else {
    text::apply_pre_tokenizer_defaults(vocabulary);  // the file's own keys come after
  }
  vocabulary.add_bos = file.boolean(kPrefix + "add_bos_token", vocabulary.add_bos);
  vocabulary.add_eos = file.boolean(kPrefix + "add_eos_token", false);
  vocabulary.add_space_prefix =
      file.boolean(kPrefix + "add_space_prefix", vocabulary.add_space_prefix);
  vocabulary.remove_extra_whitespaces = file.boolean(kPrefix + "remove_extra_whitespaces", false);
  return vocabulary;
}

Vocabulary read_hugging_face_vocabulary(const formats::ModelFile& file, const std::string& json,
                                        const std::string& config) {
  Vocabulary vocabulary = text::parse_hugging_face_tokenizer(json, config, file.path().string());
  for (const int64_t id : file.integers(kPrefix + "eos_token_ids")) {
    if (id >= 0 && id < static_cast<int64_t>(vocabulary.tokens.size())) {
      vocabulary.end_of_generation.push_back(static_cast<TokenId>(id));
    }
  }
  return vocabulary;
}

std::string template_from_config(const std::string& tokenizer_config, const std::string& where,
                                 const char* name) {
  if (tokenizer_config.empty()) return {};
  const auto config = nlohmann::json::parse(quote_non_numbers(tokenizer_config), nullptr,
                                            /*allow_exceptions=*/false);
  if (config.is_discarded() || !config.is_object()) {
    fail(ErrorCode::invalid_file, "{}: tokenizer_config.json is not valid JSON", where);
  }
  const auto found = config.find("chat_template");
  if (found == config.end()) return {};
  if (found->is_string())
    return std::string_view(name) == "default" ? found->get<std::string>() : "";
  if (found->is_array()) {  // several named ones
    for (const auto& entry : *found) {
      if (entry.is_object() && entry.value("name", "") == name && entry.contains("template") &&
          entry["template"].is_string()) {
        return entry["template"].get<std::string>();
      }
    }
  }
  return {};
}

}  // namespace

std::optional<text::Vocabulary> load_vocabulary(const formats::ModelFile& file) {
  if (file.container() == formats::Container::hugging_face) {
    if (file.tokenizer_json().empty()) return std::nullopt;
    return read_hugging_face_vocabulary(file, file.tokenizer_json(), file.tokenizer_config_json());
  }
  if (file.has("tokenizer.huggingface.json")) {  // what lazyllm quantize makes of a folder
    return read_hugging_face_vocabulary(file, file.text("tokenizer.huggingface.json"),
                                        file.text("tokenizer.huggingface.config", ""));
  }
  const std::string kind = file.text(kPrefix + "model", "none");
  if (kind == "none" || kind == "no_vocab") return std::nullopt;
  return read_gguf_vocabulary(file, kind);
}

std::string load_chat_template(const formats::ModelFile& file) {
  const std::string inside = file.text("tokenizer.chat_template", "");
  if (!inside.empty() || file.container() == formats::Container::gguf) return inside;
  return template_from_config(file.tokenizer_config_json(), file.path().string(), "default");
}

std::string load_tool_template(const formats::ModelFile& file) {
  if (file.container() == formats::Container::gguf) {
    return file.text("tokenizer.chat_template.tool_use", "");
  }
  const auto beside = file.path() / "additional_chat_templates" / "tool_use.jinja";
  std::error_code error;
  if (std::filesystem::is_regular_file(beside, error)) {
    std::ifstream stream(beside, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  }
  return template_from_config(file.tokenizer_config_json(), file.path().string(), "tool_use");
}

}  // namespace lazyllm::engine
