// SPDX-License-Identifier: Apache-2.0
// Gemma 4 (text, dense): sliding layers and full ones with heads of another size and number, values
// that may be the keys, a norm of values, a factor behind each layer. Files with per-layer
// embeddings, shared K,V or experts are refused by their keys.
#include <cmath>

#include "base/error.h"
#include "model/architecture.h"

namespace lazyllm::model {
namespace {

constexpr int64_t kMostHeads = 65536;
constexpr int64_t kWidestHead = 65536;
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
  Hyperparameters h = describe_common(file, "gemma4", static_cast<int>(kv_heads.front()));
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
    if (layer.sliding_window > 0) {
      layer.rope = 1;
      layer.head_dim = local_dim;
      continue;
    }
    // A GGUF file says it by having no such tensor.
    const bool none = file.find_tensor(fmt::format("blk.{}.attn_v.weight", l)) == nullptr;
    layer.values_are_keys = file.boolean("gemma4.attention.k_eq_v", none);
  }
  return h;
}

}  // namespace lazyllm::model
