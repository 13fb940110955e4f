// SPDX-License-Identifier: Apache-2.0
#include "formats/known_keys.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/quote.h"
#include "formats/hugging_face_model_types.h"
#include "formats/known_config_keys.h"

namespace lazyllm::formats {
namespace {

/// A key that changes the computation and is not implemented, unless it says what is done anyway.
struct Refused {
  std::string_view key;
  double neutral;  ///< the number (or truth, as 0 and 1) with which nothing changes
  /// Architectures that do implement it, between blanks.
  std::string_view implemented_by = "";
};

constexpr std::string_view kGemma = " gemma2 gemma3 gemma3_text ";
constexpr std::string_view kFinalCap = " gemma2 gemma3 gemma3_text gemma4 gemma4_text ";
constexpr std::string_view kGemma4 = " gemma4 gemma4_text ";
constexpr std::string_view kGranite = " granite granitemoe granitemoeshared ";
constexpr std::string_view kQwenExperts = " qwen2_moe qwen3_moe ";
constexpr std::string_view kNumExperts = " qwen2_moe qwen3_moe lfm2_moe gemma4 gemma4_text ";
constexpr std::string_view kLfm2 = " lfm2 lfm2_moe lfm2moe ";
constexpr std::string_view kLocalExperts = " mixtral granitemoe granitemoeshared gpt_oss ";
constexpr std::string_view kGgufExperts =
    " llama mistral3 qwen2moe qwen3moe granitemoe gpt-oss lfm2moe gemma4 ";

constexpr auto kConfigRefused = std::to_array<Refused>({
    {"add_cross_attention", 0},
    {"alibi", 0},
    {"altup_num_inputs", 0},
    {"attention_chunk_size", 0},
    {"attention_k_eq_v", 0, kGemma4},
    {"attention_multiplier", 0, kGranite},
    {"attention_out_multiplier", 1},
    {"attn_logit_softcapping", 0, kGemma},
    {"attn_temperature_tuning", 0},
    {"bias", 0},
    {"block_configs", 0},
    {"clip_qkv", 0},
    {"compression_config", 0},
    {"conv_L_cache", 0, kLfm2},
    {"conv_bias", 0, kLfm2},
    {"decoder_sparse_step", 1, kQwenExperts},
    {"dim_model_base", 0},
    {"embedding_multiplier", 1, kGranite},
    {"enable_moe_block", 0, kGemma4},
    {"final_logit_softcapping", 0, kFinalCap},
    {"full_attn_idxs", 0, " lfm2 "},
    {"global_head_dim", 0, kGemma4},
    {"hidden_size_per_layer_input", 0, kGemma4},
    {"mlp_only_layers", 0, kQwenExperts},
    {"is_encoder_decoder", 0},
    {"key_multiplier", 1},
    {"kv_lora_rank", 0},
    {"lm_head_multiplier", 1},
    {"logit_scale", 1},
    {"logits_scaling", 1, kGranite},
    {"moe_intermediate_size", 0, kNumExperts},
    {"mrope_section", 0},
    {"n_routed_experts", 0},
    {"no_rope_layer_interval", 0, " smollm3 "},
    {"no_rope_layers", 0, " smollm3 "},
    {"num_dense_layers", 0, " lfm2_moe "},
    {"num_experts", 0, kNumExperts},
    {"num_global_key_value_heads", 0, kGemma4},
    {"num_kv_shared_layers", 0, kGemma4},
    {"per_layer_config", 0, kGemma4},
    {"num_local_experts", 0, kLocalExperts},
    {"parallel_attn", 0},
    {"q_lora_rank", 0},
    {"qk_layernorm", 0},
    {"qkv_bias", 0, " qwen2_moe "},
    {"query_pre_attn_scalar", 0, kGemma},
    {"residual_multiplier", 1, kGranite},
    {"rope_interleaved", 0},
    {"rope_local_base_freq", 0, " gemma3_text "},
    {"rope_ratio", 1},
    {"rotary_interleaved", 0},
    {"routed_scaling_factor", 1, " lfm2_moe "},
    {"router_logit_softcapping", 0},
    {"scale_depth", 0},
    {"shared_expert_intermediate_size", 0, " qwen2_moe "},
    {"attention_out_bias", 0, " seed_oss "},
    {"scale_emb", 1},
    {"shared_intermediate_size", 0, " granitemoeshared "},
    {"swiglu_alpha", 0, " gpt_oss "},
    {"swiglu_limit", 0, " gpt_oss "},
    {"use_alibi", 0},
    {"use_bias", 0},
    {"use_bidirectional_attention", 0, kGemma4},
    {"use_double_wide_mlp", 0, kGemma4},
    {"use_dynamic_ntk", 0},
    {"use_expert_bias", 0, " lfm2_moe "},
    {"use_logn_attn", 0},
    {"use_mrope", 0},
    {"use_parallel_residual", 0},
    {"use_post_norm", 0},
    {"use_pre_norm", 1},
    {"use_qk_norm", 0},
});

/// Inside rope_scaling and rope_parameters.
constexpr auto kRopeRefused = std::to_array<Refused>({
    {"llama_4_scaling_beta", 0, " ministral3 "},
    {"long_mscale", 1},
    {"mrope_interleaved", 0},
    {"mrope_section", 0},
    {"short_mscale", 1},
});

constexpr auto kRopeRead = std::to_array<std::string_view>({
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "factor",
    "full_attention",
    "high_freq_factor",
    "long_factor",
    "low_freq_factor",
    "max_position_embeddings",  // once more, to no effect
    "mscale",
    "mscale_all_dim",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "rope_theta",
    "rope_type",
    "short_factor",
    "sliding_attention",
    "truncate",
    "type",
});

constexpr auto kGgufRefused = std::to_array<Refused>({
    {"activation_sparsity_scale", 0},
    {"attention.block_skip_connection", 0},
    {"attention.causal", 1},
    {"attention.chunk_size", 0},
    {"attention.clamp_kqv", 0},
    {"attention.indexer.top_k", 0},
    {"attention.key_length_mla", 0},
    {"attention.key_length_swa", 0, kGemma4},
    {"attention.kv_lora_rank", 0},
    {"attention.max_alibi_bias", 0},
    {"attention.output_scale", 1},
    {"attention.q_lora_rank", 0},
    {"attention.shared_kv_layers", 0, kGemma4},
    {"attention.temperature_length", 0, " mistral3 "},
    {"attention.temperature_scale", 0, " mistral3 "},
    {"attention.temperature_tuning", 0},
    {"attention.value_length_mla", 0},
    {"attention.value_length_swa", 0, kGemma4},
    {"attn_logit_softcapping", 0, kGemma},
    {"embedding_length_per_layer_input", 0, kGemma4},
    {"embedding_scale", 1, kGranite},
    {"expert_count", 0, kGgufExperts},
    {"expert_feed_forward_length", 0, kGgufExperts},
    {"expert_gating_func", 1, " lfm2moe "},
    {"expert_group_count", 1},
    {"expert_group_used_count", 1},
    {"expert_shared_count", 0},
    {"expert_shared_feed_forward_length", 0, " qwen2moe granitemoe "},
    {"expert_selection_bias", 0, " lfm2moe "},
    {"expert_weights_scale", 1, " lfm2moe "},
    {"expert_used_count", 0, kGgufExperts},
    {"final_logit_softcapping", 0, kFinalCap},
    {"full_attention_interval", 0},
    {"interleave_moe_layer_step", 0},
    {"leading_dense_block_count", 0, " lfm2moe "},
    {"logit_scale", 1, kGranite},
    {"nextn_predict_layers", 0},
    {"no_rope_layer_step", 0},
    {"rescale_every_n_layers", 0},
    {"residual_scale", 1, kGranite},
    {"rope.dimension_count_swa", 0, kGemma4},
    {"rope.dimension_sections", 0},
    {"rope.freq_base_swa", 0, " gemma3 gemma4 "},
    {"rope.scaling.yarn_attn_factor", 1},
    {"rope.scaling.yarn_ext_factor", 1},
    {"router_logit_softcapping", 0},
    {"shortconv.bias", 0, kLfm2},
    {"shortconv.l_cache", 0, kLfm2},
    {"swiglu_clamp_exp", 0},
    {"swiglu_clamp_shexp", 0},
    {"swin_norm", 0},
    {"use_parallel_residual", 0},
});

/// Read by the architectures, or (the last line) of no consequence.
constexpr auto kGgufKnown = std::to_array<std::string_view>({
    "attention.bias",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.k_eq_v",
    "attention.key_length",
    "attention.layer_norm_rms_epsilon",
    "attention.scale",
    "attention.sliding_window",
    "attention.sliding_window_layers",
    "attention.sliding_window_pattern",
    "attention.value_length",
    "attn_logit_softcapping",
    "block_count",
    "context_length",
    "embedding_length",
    "expert_layers",
    "expert_weights_norm",
    "feed_forward_length",
    "final_logit_softcapping",
    "hidden_act",
    "rope.dimension_count",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.layers",
    "rope.scale_linear",
    "rope.scaling.attention_factor",
    "rope.scaling.attn_factor",
    "rope.scaling.factor",
    "rope.scaling.high_freq_factor",
    "rope.scaling.low_freq_factor",
    "rope.scaling.original_context_length",
    "rope.scaling.short_factors",
    "rope.scaling.type",
    "rope.scaling.yarn_beta_fast",
    "rope.scaling.yarn_beta_slow",
    "rope.scaling.yarn_log_multiplier",
    "rope.scaling.yarn_truncate",
    "tie_word_embeddings",
    "attention.layer_norm_epsilon",
    "decoder_start_token_id",
    "pooling_type",
    "rope.scaling.finetuned",
    "tensor_data_layout",
    "vocab_size",
});

template <size_t kSize>
bool has_name(const std::array<std::string_view, kSize>& list, std::string_view key) {
  return std::find(list.begin(), list.end(), key) != list.end();
}

template <size_t kSize>
bool has_name(const std::array<Refused, kSize>& list, std::string_view key) {
  return std::any_of(list.begin(), list.end(),
                     [&](const Refused& entry) { return entry.key == key; });
}

template <typename List>
const Refused* find_refused(const List& list, std::string_view key, std::string_view architecture) {
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const Refused& entry) { return entry.key == key; });
  if (found == list.end()) return nullptr;
  const std::string name = fmt::format(" {} ", architecture);
  return found->implemented_by.find(name) == std::string_view::npos ? &*found : nullptr;
}

bool is_neutral(const nlohmann::json& value, double neutral) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return value.get<bool>() == (neutral != 0);
  if (value.is_number()) return value.get<double>() == neutral;
  return value.empty() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

bool is_neutral(const MetadataValue& value, double neutral) {
  return std::visit(
      [&](const auto& held) {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held>) {
          return static_cast<double>(held) == neutral;
        } else {
          return held.empty();
        }
      },
      value);
}

/// Refuses what is in `refused`; names that are in neither list go to `unknown`.
template <typename Refusals, typename Known>
void check_object(const JsonObject& object, std::string_view architecture, const Refusals& refusals,
                  const Known& known, std::vector<std::string>& unknown) {
  for (const auto& [key, value] : object.raw().items()) {
    const Refused* refused = find_refused(refusals, key, architecture);
    if (refused != nullptr && !is_neutral(value, refused->neutral)) {
      fail(ErrorCode::unsupported,
           "{}: {} is {}, which changes what the model computes, and lazyllm does not implement it "
           "for {}; take another model",
           object.where(), object.name(key),
           quote(value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)),
           architecture);
    }
    if (!has_name(refusals, key) && !has_name(known, key)) unknown.push_back(object.name(key));
  }
}

void check_rope_object(const JsonObject& object, std::string_view architecture,
                       std::vector<std::string>& unknown) {
  check_object(object, architecture, kRopeRefused, kRopeRead, unknown);
  for (const char* name : {"full_attention", "sliding_attention"}) {
    if (const auto inner = object.object(name)) {
      check_object(*inner, architecture, kRopeRefused, kRopeRead, unknown);
    }
  }
}

}  // namespace

std::vector<std::string> check_config_keys(const JsonObject& config, std::string_view model_type) {
  std::vector<std::string> unknown;
  check_object(config, model_type, kConfigRefused, kConfigKnown, unknown);
  for (const char* name : {"rope_scaling", "rope_parameters"}) {
    if (const auto rope = config.object(name)) check_rope_object(*rope, model_type, unknown);
  }
  return unknown;
}

std::vector<std::string> check_gguf_keys(const Metadata& metadata, std::string_view architecture,
                                         const std::string& where) {
  const std::string prefix = std::string(architecture) + ".";
  std::vector<std::string> unknown;
  for (auto entry = metadata.lower_bound(prefix);
       entry != metadata.end() && entry->first.starts_with(prefix); ++entry) {
    const std::string_view key = std::string_view(entry->first).substr(prefix.size());
    const Refused* refused = find_refused(kGgufRefused, key, architecture);
    if (refused != nullptr && !is_neutral(entry->second, refused->neutral)) {
      fail(ErrorCode::unsupported,
           "{}: metadata key {} changes what the model computes, and lazyllm does not implement it "
           "for {}; take another model",
           where, quote(entry->first), architecture);
    }
    if (!has_name(kGgufRefused, key) && !has_name(kGgufKnown, key)) {
      unknown.push_back(quote(entry->first));
    }
  }
  return unknown;
}

bool is_known_architecture(std::string_view architecture) {
  const std::span<const ModelType> types = model_types();
  return std::any_of(types.begin(), types.end(),
                     [&](const ModelType& type) { return type.architecture == architecture; });
}

std::string unknown_keys_message(const std::string& where, const std::vector<std::string>& names) {
  constexpr size_t kMostNames = 12;
  const size_t shown = std::min(names.size(), kMostNames);
  return fmt::format("{}: unknown keys are left out of account: {}{}", where,
                     fmt::join(names.begin(), names.begin() + static_cast<int64_t>(shown), ", "),
                     shown < names.size() ? fmt::format(" and {} more", names.size() - shown) : "");
}

}  // namespace lazyllm::formats
