// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_lfm2.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/quote.h"

namespace lazyllm::formats {
namespace {

constexpr int64_t kMostLayers = 10'000;
constexpr int64_t kMostExperts = 65'536;
constexpr int64_t kWidest = int64_t{1} << 30;

double positive(const JsonObject& config, std::string_view name, double fallback) {
  const double value = config.real(name).value_or(fallback);
  if (value > 0 && std::isfinite(value)) return value;
  fail(ErrorCode::invalid_file, "{}: {} is {}, expected a positive number", config.where(),
       config.name(name), value);
}

/// The dense models say what the width is made from: two thirds of it, in multiples.
int64_t feed_forward_width(const JsonObject& config, int64_t said) {
  if (!config.boolean("block_auto_adjust_ff_dim").value_or(true)) return said;
  const int64_t shrunk = std::max<int64_t>(2 * said / 3, 1);
  const auto multiplier = config.raw().find("block_ffn_dim_multiplier");
  if (multiplier != config.raw().end() && multiplier->is_null()) return shrunk;
  const double grown =
      positive(config, "block_ffn_dim_multiplier", 1.0) * static_cast<double>(shrunk);
  const int64_t multiple = config.integer("block_multiple_of", 1, kWidest).value_or(256);
  if (grown >= static_cast<double>(kWidest)) {
    fail(ErrorCode::invalid_file, "{}: {} makes the feed-forward too wide", config.where(),
         config.name("block_ffn_dim_multiplier"));
  }
  const auto width = static_cast<int64_t>(grown);
  return std::max<int64_t>((width + multiple - 1) / multiple, 1) * multiple;
}

/// Which layers are attention and which are convolutions.
std::vector<bool> attention_layers(const JsonObject& config, int64_t layers, bool may_list_ids) {
  std::vector<bool> attends;
  if (config.has("layer_types")) {
    for (const std::string& kind : config.texts("layer_types")) {
      if (kind != "full_attention" && kind != "conv") {
        fail(ErrorCode::unsupported,
             "{}: layer type {} is not supported; full_attention and conv are", config.where(),
             quote(kind));
      }
      attends.push_back(kind != "conv");
    }
  } else if (may_list_ids) {
    attends.resize(static_cast<size_t>(layers), !config.has("full_attn_idxs"));
    for (const int64_t layer : config.integers("full_attn_idxs", 0, kMostLayers)) {
      if (layer < layers) attends[static_cast<size_t>(layer)] = true;
    }
  }
  if (std::ssize(attends) != layers) {
    fail(ErrorCode::invalid_file, "{}: {} names {} layers, but there are {}", config.where(),
         config.name("layer_types"), attends.size(), layers);
  }
  return attends;
}

}  // namespace

void translate_lfm2(const JsonObject& config, const ModelType& type, TranslatedConfig& result) {
  const auto key = [&](std::string_view name) -> MetadataValue& {
    return result.metadata[result.architecture + "." + std::string(name)];
  };
  const bool mixture = type.experts == ExpertKeys::lfm2;
  const int64_t heads = std::get<int64_t>(key("attention.head_count_kv"));
  std::vector<int64_t> listed;
  for (const bool attends : attention_layers(config, result.block_count, !mixture)) {
    listed.push_back(attends ? heads : 0);
  }
  key("attention.head_count_kv") = std::move(listed);
  key("shortconv.l_cache") = config.integer("conv_L_cache", 1, kWidest).value_or(3);
  if (config.boolean("conv_bias").value_or(false)) key("shortconv.bias") = true;
  if (!mixture) {
    MetadataValue& width = key("feed_forward_length");
    width = feed_forward_width(config, std::get<int64_t>(width));
    return;
  }
  const int64_t count = config.integer("num_experts", 1, kMostExperts).value_or(32);
  key("expert_count") = count;
  key("expert_used_count") =
      config.integer("num_experts_per_tok", 1, count).value_or(std::min<int64_t>(4, count));
  key("expert_feed_forward_length") =
      config.integer("moe_intermediate_size", 1, kWidest).value_or(1792);
  key("expert_weights_norm") = config.boolean("norm_topk_prob").value_or(true);
  key("expert_weights_scale") = positive(config, "routed_scaling_factor", 1.0);
  key("expert_gating_func") = int64_t{2};  // a sigmoid
  key("leading_dense_block_count") =
      std::min(config.integer("num_dense_layers", 0, kMostLayers).value_or(2), result.block_count);
  if (!config.boolean("use_expert_bias").value_or(true)) key("expert_selection_bias") = false;
}

}  // namespace lazyllm::formats
