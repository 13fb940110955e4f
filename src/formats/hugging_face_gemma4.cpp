// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_gemma4.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/quote.h"

namespace lazyllm::formats {
namespace {

constexpr int64_t kMostLayers = 10'000;
constexpr int64_t kMostExperts = 65'536;
constexpr int64_t kMostHeads = 65'536;
constexpr int64_t kWidest = int64_t{1} << 30;
constexpr int64_t kLargestToken = std::numeric_limits<int32_t>::max();

constexpr const char* kByLayer = "per_layer_config";

int64_t require_integer(const JsonObject& config, std::string_view name, int64_t most) {
  return config.require(config.integer(name, 1, most), name);
}

/// Absent means 256, null none.
void translate_per_layer_embeddings(const JsonObject& config, Metadata& metadata) {
  constexpr std::string_view kSize = "hidden_size_per_layer_input";
  const bool absent = !config.raw().contains(kSize);
  const int64_t size = config.integer(kSize, 0, kWidest).value_or(absent ? 256 : 0);
  metadata["gemma4.embedding_length_per_layer_input"] = size;
  const int64_t rows =
      config.integer("vocab_size_per_layer_input", 0, kLargestToken).value_or(262'144);
  const int64_t vocabulary = std::get<int64_t>(metadata.at("gemma4.vocab_size"));
  if (size > 0 && rows != vocabulary) {
    fail(ErrorCode::unsupported,
         "{}: {} is {}, but the vocabulary has {} tokens; lazyllm wants a per-layer embedding for "
         "each of these",
         config.where(), config.name("vocab_size_per_layer_input"), rows, vocabulary);
  }
}

/// The last layers read keys and values of earlier ones, maybe with a wider feed-forward.
void translate_shared_kv(const JsonObject& config, Metadata& metadata) {
  const int64_t shared = config.integer("num_kv_shared_layers", 0, kMostLayers).value_or(0);
  metadata["gemma4.attention.shared_kv_layers"] = shared;
  if (!config.boolean("use_double_wide_mlp").value_or(false)) return;
  const int64_t layers = std::get<int64_t>(metadata.at("gemma4.block_count"));
  const int64_t width = std::get<int64_t>(metadata.at("gemma4.feed_forward_length"));
  std::vector<int64_t> widths;
  for (int64_t layer = 0; layer < layers; ++layer) {
    widths.push_back(layer < layers - shared ? width : 2 * width);
  }
  metadata["gemma4.feed_forward_length"] = std::move(widths);
}

void translate_experts(const JsonObject& config, Metadata& metadata) {
  if (!config.boolean("enable_moe_block").value_or(false)) return;
  const int64_t count = require_integer(config, "num_experts", kMostExperts);
  metadata["gemma4.expert_count"] = count;
  metadata["gemma4.expert_used_count"] = require_integer(config, "top_k_experts", count);
  metadata["gemma4.expert_feed_forward_length"] =
      require_integer(config, "moe_intermediate_size", kWidest);
}

[[noreturn]] void refuse_layers(const JsonObject& config, std::string_view why) {
  fail(ErrorCode::unsupported,
       "{}: {} {}; lazyllm reads it where it gives all full layers, and only these, the same "
       "head_dim and num_key_value_heads",
       config.where(), config.name(kByLayer), why);
}

}  // namespace

Gemma4FullLayers gemma4_full_layers(const JsonObject& config, int64_t head_dimension,
                                    int64_t heads_kv) {
  Gemma4FullLayers full{head_dimension, heads_kv, {}};
  const auto by_layer = config.object(kByLayer);
  if (!by_layer) {
    full.head_dimension = config.integer("global_head_dim", 1, kWidest).value_or(512);
    if (config.boolean("attention_k_eq_v").value_or(false)) {
      full.heads_kv =
          config.integer("num_global_key_value_heads", 1, kMostHeads).value_or(heads_kv);
    }
    return full;
  }
  for (const auto& [layer, ignored] : by_layer->raw().items()) {
    const bool number = !layer.empty() && layer.size() <= 4 &&
                        layer.find_first_not_of("0123456789") == std::string::npos;
    const auto entry = by_layer->object(layer);
    if (!number || !entry) refuse_layers(config, "has an entry that names no layer");
    for (const auto& [key, value] : entry->raw().items()) {
      if (key == "head_dim" || key == "num_key_value_heads") continue;
      refuse_layers(config, "sets " + quote(key));
    }
    const int64_t head_dim = entry->integer("head_dim", 1, kWidest).value_or(head_dimension);
    const int64_t heads = entry->integer("num_key_value_heads", 1, kMostHeads).value_or(heads_kv);
    if (full.named.empty()) {
      full.head_dimension = head_dim;
      full.heads_kv = heads;
    }
    if (head_dim != full.head_dimension || heads != full.heads_kv) {
      refuse_layers(config, "differs from layer to layer");
    }
    full.named.push_back(std::stoll(layer));
  }
  return full;
}

void translate_gemma4(const JsonObject& config, const Gemma4FullLayers& full, Metadata& metadata) {
  const auto found = metadata.find("gemma4.attention.sliding_window_layers");
  if (found == metadata.end()) {
    fail(ErrorCode::unsupported, "{}: {} is off, which lazyllm does not implement for gemma4",
         config.where(), config.name("sliding_window"));
  }
  auto& slides = std::get<std::vector<int64_t>>(found->second);
  slides.back() = 0;  // the last layer is a full one, whatever the config says
  std::vector<int64_t> full_layers;
  for (size_t layer = 0; layer < slides.size(); ++layer) {
    if (slides[layer] == 0) full_layers.push_back(static_cast<int64_t>(layer));
  }
  std::vector<int64_t> named = full.named;
  std::sort(named.begin(), named.end());
  if (!named.empty() && named != full_layers) refuse_layers(config, "names other layers");

  translate_per_layer_embeddings(config, metadata);
  translate_shared_kv(config, metadata);
  translate_experts(config, metadata);
  const auto direction = config.text("use_bidirectional_attention");
  if (direction && *direction != "vision") {  // which is about pictures
    fail(ErrorCode::unsupported, "{}: {} is {}, which lazyllm does not implement", config.where(),
         config.name("use_bidirectional_attention"), quote(*direction));
  }
  metadata["gemma4.attention.k_eq_v"] = config.boolean("attention_k_eq_v").value_or(false);
  const int64_t local = std::get<int64_t>(metadata.at("gemma4.attention.head_count_kv"));
  std::vector<int64_t> heads;
  for (const int64_t slide : slides) heads.push_back(slide != 0 ? local : full.heads_kv);
  metadata["gemma4.attention.head_count_kv"] = std::move(heads);
}

}  // namespace lazyllm::formats
