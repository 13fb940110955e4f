// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_names.h"

#include <array>
#include <charconv>

#include "base/error.h"

namespace lazyllm::formats {
namespace {

struct NamePair {
  std::string_view theirs;
  std::string_view gguf;
};

constexpr auto kOutside = std::to_array<NamePair>({
    {"model.embed_tokens", "token_embd"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"},
    {"model.embed_tokens_per_layer", "per_layer_token_embd"},
    {"model.per_layer_model_projection", "per_layer_model_proj"},
    {"model.per_layer_projection_norm", "per_layer_proj_norm"},
});

constexpr auto kInLayer = std::to_array<NamePair>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"self_attn.q_norm", "attn_q_norm"},
    {"self_attn.k_norm", "attn_k_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
    {"per_layer_input_gate", "inp_gate"},
    {"per_layer_projection", "proj"},
    {"post_per_layer_input_norm", "post_norm"},
    {"self_attn.qkv_proj", "attn_qkv"},
    {"mlp.gate_up_proj", "ffn_up"},
    {"mlp.gate", "ffn_gate_inp"},
    {"mlp.router", "ffn_gate_inp"},
    {"router.proj", "ffn_gate_inp"},
    {"block_sparse_moe.gate", "ffn_gate_inp"},
    {"mlp.shared_expert.gate_proj", "ffn_gate_shexp"},
    {"mlp.shared_expert.up_proj", "ffn_up_shexp"},
    {"mlp.shared_expert.down_proj", "ffn_down_shexp"},
    {"mlp.shared_expert_gate", "ffn_gate_inp_shexp"},
    {"block_sparse_moe.router", "ffn_gate_inp"},
    {"block_sparse_moe.router.layer", "ffn_gate_inp"},
    {"block_sparse_moe.input_linear", "ffn_gate_up_exps"},
    {"block_sparse_moe.output_linear", "ffn_down_exps"},
    {"shared_mlp.input_linear", "ffn_gate_up_shexp"},
    {"shared_mlp.output_linear", "ffn_down_shexp"},
});

// All experts' matrices as one tensor, whose name has no ending (transformers 5).
constexpr auto kFusedExperts = std::to_array<NamePair>({
    {"mlp.experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"mlp.experts.down_proj", "ffn_down_exps.weight"},
    {"block_sparse_moe.experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"block_sparse_moe.experts.down_proj", "ffn_down_exps.weight"},
    {"feed_forward.experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"feed_forward.experts.down_proj", "ffn_down_exps.weight"},
    {"experts.gate_up_proj", "ffn_gate_up_exps.weight"},
    {"experts.down_proj", "ffn_down_exps.weight"},
    {"router.scale", "ffn_gate_inp.scale"},
    {"router.per_expert_scale", "ffn_down_exps.scale"},
});

// Of one expert, which GGUF's first files of experts had as tensors of their own, too.
constexpr std::array<NamePair, 6> kInExpert = {{
    {"gate_proj", "ffn_gate"},
    {"up_proj", "ffn_up"},
    {"down_proj", "ffn_down"},
    {"w1", "ffn_gate"},
    {"w3", "ffn_up"},
    {"w2", "ffn_down"},
}};

// The same word means the norm before the MLP in llama and the one after attention in gemma, olmo2
// and exaone4.
constexpr std::array<NamePair, 1> kLlamaNorms = {{{"post_attention_layernorm", "ffn_norm"}}};
constexpr auto kGemmaNorms = std::to_array<NamePair>({
    {"post_attention_layernorm", "post_attention_norm"},
    {"pre_feedforward_layernorm", "ffn_norm"},
    {"post_feedforward_layernorm", "post_ffw_norm"},
    {"pre_feedforward_layernorm_2", "pre_ffw_norm_2"},
    {"post_feedforward_layernorm_1", "post_ffw_norm_1"},
    {"post_feedforward_layernorm_2", "post_ffw_norm_2"},
});

constexpr std::array<NamePair, 3> kGlmNorms = {{
    {"post_self_attn_layernorm", "post_attention_norm"},
    {"post_attention_layernorm", "ffn_norm"},
    {"post_mlp_layernorm", "post_ffw_norm"},
}};

constexpr std::array<NamePair, 12> kLfm2 = {{
    {"operator_norm", "attn_norm"},
    {"ffn_norm", "ffn_norm"},
    {"self_attn.out_proj", "attn_output"},
    {"self_attn.q_layernorm", "attn_q_norm"},
    {"self_attn.k_layernorm", "attn_k_norm"},
    {"conv.conv", "shortconv.conv"},
    {"conv.in_proj", "shortconv.in_proj"},
    {"conv.out_proj", "shortconv.out_proj"},
    {"feed_forward.w1", "ffn_gate"},
    {"feed_forward.w3", "ffn_up"},
    {"feed_forward.w2", "ffn_down"},
    {"feed_forward.gate", "ffn_gate_inp"},
}};

template <size_t N>
std::optional<std::string_view> look_up(const std::array<NamePair, N>& pairs,
                                        std::string_view theirs) {
  for (const NamePair& pair : pairs) {
    if (pair.theirs == theirs) return pair.gguf;
  }
  return std::nullopt;
}

bool drop_prefix(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return true;
}

/// A number, in its one spelling, followed by a point.
std::optional<int64_t> take_number(std::string_view& name) {
  int64_t layer = 0;
  const char* begin = name.data();
  const auto [end, error] = std::from_chars(begin, begin + name.size(), layer);
  const auto length = static_cast<size_t>(end - begin);
  const bool padded = length > 1 && name[0] == '0';
  if (error != std::errc() || layer < 0 || padded || name[0] == '-') return std::nullopt;
  if (length >= name.size() || name[length] != '.') return std::nullopt;
  name.remove_prefix(length + 1);
  return layer;
}

/// Multimodal models wrap the language model; both spellings are undone here.
/// False for the parts that are no language model.
bool unwrap(std::string& name) {
  std::string_view rest = name;
  std::string_view part = rest;
  drop_prefix(part, "model.");
  for (const std::string_view other : {"vision_tower.", "multi_modal_projector.", "audio_tower.",
                                       "embed_vision.", "embed_audio."}) {
    if (part.starts_with(other)) return false;
  }
  if (drop_prefix(rest, "model.language_model.")) {
    name = "model." + std::string(rest);
  } else if (drop_prefix(rest, "language_model.")) {
    name = std::string(rest);
  }
  return true;
}

}  // namespace

TranslatedName translate_tensor_name(std::string_view name, std::string_view architecture,
                                     bool wrapped) {
  const bool gemma = architecture == "gemma3" || architecture == "gemma4";
  std::string unwrapped(name);
  if ((gemma || wrapped) && !unwrap(unwrapped)) return {TensorUse::other_modality, "", -1};
  std::string_view rest = unwrapped;
  if (rest.ends_with(".rotary_emb.inv_freq")) return {TensorUse::ignored, "", -1};

  if (std::string_view inner = rest; drop_prefix(inner, "model.layers.")) {
    const auto layer = take_number(inner);
    if (layer && architecture == "gpt-oss" && inner == "self_attn.sinks") {
      return {TensorUse::needed, fmt::format("blk.{}.attn_sinks.weight", *layer), *layer};
    }
    if (layer && architecture == "gemma4" && inner == "layer_scalar") {
      return {TensorUse::needed, fmt::format("blk.{}.layer_output_scale.weight", *layer), *layer};
    }
    if (layer && architecture == "lfm2moe" && inner == "feed_forward.expert_bias") {
      return {TensorUse::needed, fmt::format("blk.{}.exp_probs_b.bias", *layer), *layer};
    }
    if (const auto fused = look_up(kFusedExperts, inner); layer && fused) {
      return {TensorUse::needed, fmt::format("blk.{}.{}", *layer, *fused), *layer};
    }
  }

  const size_t point = rest.rfind('.');
  if (point == std::string_view::npos) return {};
  const std::string_view kind = rest.substr(point);
  if (kind != ".weight" && kind != ".bias") return {};
  rest = rest.substr(0, point);

  const bool lfm2 = architecture.starts_with("lfm2");
  if (lfm2 && rest == "model.embedding_norm") {
    return {TensorUse::needed, "token_embd_norm" + std::string(kind), -1};
  }
  if (const auto found = look_up(kOutside, rest)) {
    return {TensorUse::needed, std::string(*found) + std::string(kind), -1};
  }
  if (!drop_prefix(rest, "model.layers.")) return {};
  const auto layer = take_number(rest);
  if (!layer) return {};
  if (drop_prefix(rest, "mlp.experts.") || drop_prefix(rest, "block_sparse_moe.experts.") ||
      drop_prefix(rest, "feed_forward.experts.")) {
    const auto expert = take_number(rest);
    const auto part = look_up(kInExpert, rest);
    if (!expert || !part) return {};
    return {TensorUse::needed, fmt::format("blk.{}.{}.{}{}", *layer, *part, *expert, kind), *layer};
  }
  auto found = lfm2 ? look_up(kLfm2, rest) : std::nullopt;
  if (!found) found = look_up(kInLayer, rest);
  const bool branch_norms =
      gemma || architecture == "gemma2" || architecture == "olmo2" || architecture == "exaone4";
  if (!found && architecture == "glm4") found = look_up(kGlmNorms, rest);
  if (!found) found = branch_norms ? look_up(kGemmaNorms, rest) : look_up(kLlamaNorms, rest);
  if (!found) return {};
  return {TensorUse::needed, fmt::format("blk.{}.{}{}", *layer, *found, kind), *layer};
}

}  // namespace lazyllm::formats
