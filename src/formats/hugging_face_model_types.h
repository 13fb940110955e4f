// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lazyllm::formats {

/// Which layers slide where a config has no layer_types.
enum class SlidingRule {
  none,              ///< the model type has no window
  all,               ///< every layer
  pattern,           ///< all but every n-th (gemma3, exaone4)
  from_layer,        ///< from max_window_layers on (qwen2, qwen3)
  even_below_layer,  ///< every other one below max_window_layers (qwen2_moe)
  even,              ///< every other one (gemma2, gpt_oss)
  unrotated          ///< those without rotation (smollm3)
};

/// How a config spells its experts.
enum class ExpertKeys { none, mixtral, qwen2, qwen3, granite, lfm2 };

/// What the transformers library assumes where a config says nothing. Multimodal
/// Gemma configs really leave most of these out. 0: no default, the key is required.
struct ModelType {
  std::string_view name;
  std::string_view architecture;
  int64_t hidden, feed_forward, layers, heads, heads_kv, head_dimension;
  int64_t context, vocabulary, window;
  double theta, epsilon;
  bool tied, attention_bias;
  SlidingRule slides = SlidingRule::none;
  ExpertKeys experts = ExpertKeys::none;

  bool needs_use_sliding_window() const {
    return architecture.starts_with("qwen") || architecture == "smollm3";
  }
  bool is_lfm2() const { return architecture.starts_with("lfm2"); }
  bool is_gemma() const { return architecture.starts_with("gemma"); }
};

inline constexpr int64_t kAsHeads = -1;  // heads_kv as many as heads; head_dimension hidden / heads

/// All model types but multimodal wrappers.
std::span<const ModelType> model_types();

/// A model type whose config.json keeps the language model's settings inside, in text_config.
struct Wrapper {
  std::string_view name;
  std::string_view inner;  ///< model type where text_config does not say it
  bool tied;               ///< where neither says it
};
std::span<const Wrapper> wrappers();

/// "llama, mistral, ...": for messages; wrappers included.
std::string supported_model_types();

}  // namespace lazyllm::formats
