// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// The JSON files of a folder that describe the model; absent ones are empty.
struct ConfigTexts {
  std::string_view config;             ///< config.json
  std::string_view generation_config;  ///< generation_config.json
  std::string_view tokenizer_config;   ///< tokenizer_config.json
  std::string_view chat_template;      ///< chat_template.jinja
};

/// config.json and its neighbours in GGUF's terms.
struct TranslatedConfig {
  std::string architecture;  ///< GGUF's: llama, qwen2, qwen3, gemma3
  int64_t block_count = 0;
  bool tied_embeddings = false;  ///< there is no output matrix of its own
  bool attention_bias = false;   ///< q, k and v have biases
  bool mlp_bias = false;         ///< gate, up and down have biases
  bool wrapped = false;          ///< the language model is a part of a multimodal one
  Metadata metadata;
  std::vector<std::string> unknown_keys;  ///< of config.json, quoted
};

/// Translates config.json to GGUF's metadata keys (table in docs/formats.md). Values
/// that a config leaves out get the defaults of the transformers library.
/// `folder` starts every message.
/// Errors: Error(invalid_file), Error(unsupported) for models that lazyllm does not know.
TranslatedConfig translate_config(const ConfigTexts& texts, const std::string& folder);

}  // namespace lazyllm::formats
