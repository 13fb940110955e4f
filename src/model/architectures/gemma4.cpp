// SPDX-License-Identifier: Apache-2.0
// Gemma 4 (text): sliding layers and full ones with heads of another size and number, values that
// may be the keys, a norm of values, a factor behind each layer. E2B and E4B: the last layers read
// keys and values of earlier ones, maybe with a wider feed-forward, and every layer embeds tokens
// anew. 26B-A4B: experts beside the feed-forward.
#include <cmath>
#include <limits>

#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {
namespace {

constexpr int64_t kMostHeads = 65536;
constexpr int64_t kWidestHead = 65536;
constexpr int64_t kWidest = 1 << 20;
constexpr int64_t kWidestPerLayer = 65536;
constexpr double kLocalBase = 10000.0;
constexpr double kFullBase = 1000000.0;
constexpr float kNotRotated = 1e30f;  ///< divisor of a frequency that is as good as 0

/// K,V heads of each layer.
std::vector<int64_t> kv_heads_by_layer(const formats::ModelFile& file) {
  const auto layers = static_cast<size_t>(file.integer("gemma4.block_count", 1, 4096));
  const int64_t heads = file.integer("gemma4.attention.head_count", 1, kMostHeads);
  std::vector<int64_t> listed = file.integers("gemma4.attention.head_count_kv");
  if (listed.size() == 1) listed.assign(layers, listed.front());
  bool sensible = listed.size() == layers;
  for (const int64_t count : listed) sensible &= count >= 1 && count <= heads && heads % count == 0;
  if (!sensible) {
    fail(ErrorCode::invalid_file,
         "{}: gemma4.attention.head_count_kv must hold one number or one for each of {} layers, "
         "each a divisor of the {} heads",
         file.path().string(), layers, heads);
  }
  return listed;
}

/// Widths of each layer's feed-forward.
std::vector<int64_t> feed_forward_by_layer(const formats::ModelFile& file) {
  const auto layers = static_cast<size_t>(file.integer("gemma4.block_count", 1, 4096));
  std::vector<int64_t> listed = file.integers("gemma4.feed_forward_length");
  if (listed.size() == 1) listed.assign(layers, listed.front());
  bool sensible = listed.size() == layers;
  for (const int64_t width : listed) sensible &= width >= 1 && width <= kWidest;
  if (!sensible) {
    fail(ErrorCode::invalid_file,
         "{}: gemma4.feed_forward_length must hold one number or one for each of {} layers, from 1 "
         "to {}",
         file.path().string(), layers, kWidest);
  }
  return listed;
}

/// The last layers read keys and values of the last layer of their kind before them.
void describe_shared_kv(const formats::ModelFile& file, Hyperparameters& h) {
  const int64_t shared =
      file.integer("gemma4.attention.shared_kv_layers", 0, std::numeric_limits<int32_t>::max(), 0);
  if (shared >= h.layers) {
    fail(ErrorCode::invalid_file,
         "{}: {} layers read keys and values of earlier ones, but there are {} in all; the file is "
         "damaged, fetch it again",
         file.path().string(), shared, h.layers);
  }
  h.shared_kv_layers = static_cast<int>(shared);
  for (int l = h.kv_layers(); l < h.layers; ++l) {
    LayerParameters& layer = h.layer[static_cast<size_t>(l)];
    int source = h.kv_layers() - 1;
    while (source >= 0 && h.full_attention(source) != h.full_attention(l)) --source;
    if (source < 0) {
      fail(ErrorCode::invalid_file,
           "{}: layer {} reads keys and values of an earlier {} layer, but the {} layers that have "
           "their own are of the other kind; the file is damaged, fetch it again",
           file.path().string(), l + 1, h.full_attention(l) ? "full" : "sliding", h.kv_layers());
    }
    if (h.kv_heads_of(l) != h.kv_heads_of(source)) {
      fail(ErrorCode::invalid_file,
           "{}: layer {} reads keys and values of layer {}, but has {} key/value heads where that "
           "has {}; the file is damaged, fetch it again",
           file.path().string(), l + 1, source + 1, h.kv_heads_of(l), h.kv_heads_of(source));
    }
    layer.kv_source = source;
    layer.values_are_keys = false;
  }
}

/// Of the full layers: the first share of each half is rotated with the frequencies that the whole
/// head would have, the rest is not.
void describe_proportion(const formats::ModelFile& file, RopeParameters& rope) {
  constexpr std::string_view kShare = "gemma4.rope.proportion";  // of a folder
  if (!rope.frequency_divisors.empty()) return;
  if (!file.has(kShare)) {
    fail(ErrorCode::invalid_file,
         "{}: tensor rope_freqs.weight is missing, which says how much of a head is rotated; fetch "
         "the file again",
         file.path().string());
  }
  const double share = file.real(kShare);
  if (!(share > 0.0 && share <= 1.0)) {
    fail(ErrorCode::invalid_file, "{}: {} is {}, expected a share above 0 and at most 1",
         file.path().string(), kShare, share);
  }
  const auto rotated = static_cast<size_t>(share * rope.rotated / 2.0);
  rope.frequency_divisors.assign(static_cast<size_t>(rope.rotated) / 2, kNotRotated);
  std::fill_n(rope.frequency_divisors.begin(), rotated, 1.0f);
}

}  // namespace

Hyperparameters describe_gemma4(const formats::ModelFile& file) {
  const std::vector<int64_t> kv_heads = kv_heads_by_layer(file);
  const std::vector<int64_t> widths = feed_forward_by_layer(file);
  Hyperparameters h = describe_common(file, "gemma4", static_cast<int>(kv_heads.front()),
                                      static_cast<int>(widths.front()));
  const auto local_dim =
      static_cast<int>(file.integer("gemma4.attention.key_length_swa", 2, kWidestHead, h.head_dim));
  const int64_t local_values =
      file.integer("gemma4.attention.value_length_swa", 1, kWidestHead, local_dim);
  const int64_t local_rotated =
      file.integer("gemma4.rope.dimension_count_swa", 2, kWidestHead, local_dim);
  if (local_values != local_dim || local_rotated != local_dim || local_dim % 2 != 0 ||
      h.ropes[0].rotated != h.head_dim) {
    fail(ErrorCode::unsupported,
         "{}: heads of sliding layers have {} values in keys, {} in values and {} rotated ones, "
         "those of full layers {}, {} of them rotated; all must be equal, and even",
         file.path().string(), local_dim, local_values, local_rotated, h.head_dim,
         h.ropes[0].rotated);
  }
  h.qk_norm = true;
  h.v_norm = true;
  h.post_norms = true;
  h.layer_scales = true;
  if (!file.has("gemma4.attention.scale")) h.attention_scale = 1.0f;
  if (!file.has("gemma4.hidden_act")) h.activation = kernels::Activation::gelu_tanh;
  h.embedding_scale = std::sqrt(static_cast<float>(h.hidden_size));
  h.final_soft_cap = static_cast<float>(file.real("gemma4.final_logit_softcapping", 0.0));
  if (!file.has("gemma4.rope.freq_base")) h.ropes[0].base = kFullBase;
  describe_proportion(file, h.ropes[0]);

  RopeParameters local;
  local.rotated = local_dim;
  local.base = file.real("gemma4.rope.freq_base_swa", kLocalBase);
  if (!(local.base > 0.0) || !std::isfinite(local.base)) {
    fail(ErrorCode::invalid_file, "{}: gemma4.rope.freq_base_swa is {}, expected a positive number",
         file.path().string(), local.base);
  }
  h.ropes.push_back(local);

  constexpr int kPeriod = 6;  // five sliding layers, then a full one
  describe_windows(file, h, kPeriod);
  for (int l = 0; l < h.layers; ++l) {
    LayerParameters& layer = h.layer[static_cast<size_t>(l)];
    layer.kv_heads = static_cast<int>(kv_heads[static_cast<size_t>(l)]);
    layer.intermediate_size = static_cast<int>(widths[static_cast<size_t>(l)]);
    if (layer.sliding_window > 0) {
      layer.rope = 1;
      layer.head_dim = local_dim;
      continue;
    }
    // A GGUF file says it by having no such tensor.
    const bool none = file.find_tensor(fmt::format("blk.{}.attn_v.weight", l)) == nullptr;
    layer.values_are_keys = file.boolean("gemma4.attention.k_eq_v", none);
  }
  describe_shared_kv(file, h);
  describe_experts(file, h, /*normalise=*/true);
  h.experts.beside_feed_forward = true;
  h.per_layer_size = static_cast<int>(
      file.integer("gemma4.embedding_length_per_layer_input", 0, kWidestPerLayer, 0));
  return h;
}

}  // namespace lazyllm::model
