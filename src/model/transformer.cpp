// SPDX-License-Identifier: Apache-2.0
#include "model/transformer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "base/error.h"

namespace lazyllm::model {

using kernels::ConstFloatRows;
using kernels::FloatRows;
using kernels::MatmulTarget;

Workspace::Workspace(const Hyperparameters& hyperparameters, const kernels::Backend& backend)
    : h_(hyperparameters), backend_(backend), rope_(hyperparameters, backend) {}

void Workspace::reserve(int64_t rows) {
  if (rows <= rows_) return;
  const auto allocate = [&](int64_t columns) {
    return backend_.allocate(static_cast<size_t>(rows * columns) * sizeof(float));
  };
  hidden_ = allocate(h_.hidden_size);
  normed_ = allocate(h_.hidden_size);
  branch_ = allocate(h_.hidden_size);
  q_ = allocate(h_.widest_q());
  k_ = allocate(h_.widest_kv());
  v_ = allocate(h_.widest_kv());
  attention_ = allocate(h_.widest_q());
  gate_ = allocate(h_.widest_feed_forward());
  up_ = allocate(h_.widest_feed_forward());
  if (h_.per_layer_size > 0) per_layer_ = allocate(h_.per_layer_size);
  if (h_.experts.count > 0) {
    router_ = allocate(h_.experts.count);
    expert_input_ = allocate(h_.hidden_size);
    if (h_.experts.beside_feed_forward) expert_sum_ = allocate(h_.hidden_size);
  }
  rows_ = rows;
}

Transformer::Transformer(Hyperparameters hyperparameters, Weights weights,
                         const kernels::Backend& backend)
    : h_(std::move(hyperparameters)), weights_(std::move(weights)), backend_(backend) {}

void Transformer::set_stages(std::vector<std::unique_ptr<const Transformer>> others,
                             std::vector<int> stage_of_layer) {
  LAZYLLM_CHECK(std::ssize(stage_of_layer) == h_.layers);
  others_ = std::move(others);
  stage_of_layer_ = std::move(stage_of_layer);
}

void Transformer::embed(std::span<const int32_t> tokens, FloatRows hidden) const {
  backend_.embed(weights_.embed_tokens, tokens, h_.embedding_scale, hidden, 0);
}

/// (norm(model_projection(embedding) / sqrt(hidden)) + own embedding * sqrt(size)) / sqrt(2): the
/// first factor goes into the norm's epsilon, the last one is in its weights.
void Transformer::embed_for_layer(int layer, std::span<const int32_t> tokens, FloatRows out,
                                  Workspace& workspace) const {
  if (h_.per_layer_size == 0) return;
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const FloatRows embedding = workspace.branch(out.rows);
  embed(tokens, embedding);
  const MatmulTarget targets[] = {{w.per_layer_model.get(), nullptr, out}};
  backend_.matmul(embedding, targets);
  backend_.rms_norm(out, weights_.per_layer_norm.floats(),
                    h_.norm_epsilon * static_cast<float>(h_.hidden_size), out);
  const FloatRows own = workspace.gate(out.rows, h_.per_layer_size);
  const float scale = std::sqrt(static_cast<float>(h_.per_layer_size) / 2.0f);
  backend_.embed(weights_.embed_tokens_per_layer, tokens, scale, own,
                 int64_t{layer} * h_.per_layer_size);
  backend_.add(out, own);
}

void Transformer::project(int layer, ConstFloatRows hidden, std::span<const int32_t> positions,
                          bool want_queries, Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const int64_t rows = hidden.rows;
  const ConstFloatRows normed = norm_input(hidden, w.input_layernorm, workspace);
  const FloatRows q = workspace.q(layer, rows), k = workspace.k(layer, rows),
                  v = workspace.v(layer, rows);
  const int head_dim = h_.head_dim_of(layer), kv_heads = h_.kv_heads_of(layer);
  std::array<MatmulTarget, 3> targets;
  size_t count = 0;
  const bool own_kv = w.k_proj != nullptr;
  if (own_kv) targets[count++] = {w.k_proj.get(), w.k_bias.floats(), k};
  if (w.v_proj != nullptr) targets[count++] = {w.v_proj.get(), w.v_bias.floats(), v};
  if (want_queries) targets[count++] = {w.q_proj.get(), w.q_bias.floats(), q};
  backend_.matmul(normed, std::span(targets).first(count));
  if (h_.convolves(layer)) return backend_.multiply(k, v);
  if (own_kv && w.v_proj == nullptr) copy_rows(k, v);
  if (own_kv && h_.v_norm) {
    const FloatRows by_head{v.data, rows * kv_heads, head_dim, head_dim};
    backend_.rms_norm(by_head, w.v_norm.floats(), h_.norm_epsilon, by_head);
  }

  const int rope = h_.layer[static_cast<size_t>(layer)].rope;
  const auto norm_and_rotate = [&](FloatRows x, int heads, const kernels::Buffer& gamma) {
    if (h_.qk_norm) {
      const FloatRows by_head{x.data, rows * heads, head_dim, head_dim};
      backend_.rms_norm(by_head, gamma.floats(), h_.norm_epsilon, by_head);
    } else if (h_.whole_qk_norm) {
      backend_.rms_norm(x, gamma.floats(), h_.norm_epsilon, x);
    }
    if (rope < 0) return;
    backend_.rope(x, heads, head_dim, positions, workspace.rope().table(rope));
  };
  if (own_kv) norm_and_rotate(k, kv_heads, w.k_norm);
  if (!want_queries) return;
  norm_and_rotate(q, h_.heads, w.q_norm);
  if (h_.temperature_scale != 0.0) warm_queries(q, positions);
}

/// Values that are the keys, before their norm and rotation.
void Transformer::copy_rows(FloatRows from, FloatRows to) const {
  std::vector<const float*> rows;
  for (int64_t r = 0; r < from.rows; ++r) rows.push_back(from.row(r));
  backend_.gather(rows, to);
}

void Transformer::warm_queries(FloatRows q, std::span<const int32_t> positions) const {
  std::vector<float> growth;
  std::vector<float*> rows;
  for (size_t r = 0; r < positions.size(); ++r) {
    const double periods = std::floor(positions[r] / h_.temperature_length);
    if (periods == 0.0) continue;
    growth.push_back(static_cast<float>(h_.temperature_scale * std::log1p(periods)));
    rows.push_back(q.row(static_cast<int64_t>(r)));
  }
  // Added row by row, in place: the tile of each is the row itself.
  for (size_t i = 0; i < rows.size(); ++i) {
    backend_.scatter_add({rows[i], 1, q.columns, q.stride}, std::span(growth).subspan(i, 1),
                         std::span(rows).subspan(i, 1));
  }
}

ConstFloatRows Transformer::norm_input(ConstFloatRows hidden, const kernels::Buffer& gamma,
                                       Workspace& workspace) const {
  if (!h_.input_norms) return hidden;
  const FloatRows normed = workspace.normed(hidden.rows);
  backend_.rms_norm(hidden, gamma.floats(), h_.norm_epsilon, normed);
  return normed;
}

void Transformer::finish(int layer, ConstFloatRows attention, FloatRows hidden,
                         Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  add_branch(*w.o_proj, w.o_bias.floats(), w.post_attention_norm, attention, hidden, workspace);
  feed_forward(layer, hidden, workspace);
  if (h_.per_layer_size > 0) add_per_layer(layer, hidden, workspace);
  scale_rows(layer, hidden);
}

void Transformer::add_per_layer(int layer, FloatRows hidden, Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const FloatRows gate = workspace.gate(hidden.rows, h_.per_layer_size);
  const MatmulTarget targets[] = {{w.per_layer_gate.get(), nullptr, gate}};
  backend_.matmul(hidden, targets);
  backend_.gated_activation(h_.activation, gate, workspace.per_layer(hidden.rows), gate);
  add_branch(*w.per_layer_proj, nullptr, w.post_per_layer_norm, gate, hidden, workspace);
}

void Transformer::scale_rows(int layer, FloatRows hidden) const {
  const float scale = weights_.layers[static_cast<size_t>(layer)].scale;
  if (scale == 1.0f) return;
  // Each row is added to itself, so many times.
  const std::vector<float> times(static_cast<size_t>(hidden.rows), scale - 1.0f);
  std::vector<float*> rows;
  for (int64_t r = 0; r < hidden.rows; ++r) rows.push_back(hidden.row(r));
  backend_.scatter_add(hidden, times, rows);
}

void Transformer::feed_forward(int layer, FloatRows hidden, Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  if (w.expert_layer >= 0 && h_.experts.beside_feed_forward) {
    return mix_experts_beside(layer, hidden, workspace);
  }
  const ConstFloatRows normed = norm_input(hidden, w.pre_feedforward_layernorm, workspace);
  if (w.expert_layer >= 0) return mix_experts(layer, normed, hidden, workspace);
  const FloatRows gate = workspace.gate(hidden.rows, h_.intermediate_of(layer));
  const FloatRows up = workspace.up(hidden.rows, h_.intermediate_of(layer));
  const MatmulTarget targets[] = {{w.gate_proj.get(), w.gate_bias.floats(), gate},
                                  {w.up_proj.get(), w.up_bias.floats(), up}};
  backend_.matmul(normed, targets);
  backend_.gated_activation(h_.activation, gate, up, gate);
  add_branch(*w.down_proj, w.down_bias.floats(), w.post_feedforward_norm, gate, hidden, workspace);
}

void Transformer::add_branch(const kernels::Weight& matrix, const float* bias,
                             const kernels::Buffer& post_norm, ConstFloatRows in, FloatRows hidden,
                             Workspace& workspace) const {
  if (!post_norm && h_.residual_scale == 1.0f) {
    const MatmulTarget targets[] = {{&matrix, bias, hidden, /*accumulate=*/true}};
    backend_.matmul(in, targets);
    return;
  }
  const FloatRows branch = workspace.branch(hidden.rows);
  const MatmulTarget targets[] = {{&matrix, bias, branch}};
  backend_.matmul(in, targets);
  if (post_norm) backend_.rms_norm(branch, post_norm.floats(), h_.norm_epsilon, branch);
  if (h_.residual_scale == 1.0f) return backend_.add(hidden, branch);
  const std::vector<float> scales(static_cast<size_t>(hidden.rows), h_.residual_scale);
  std::vector<float*> to;
  for (int64_t r = 0; r < hidden.rows; ++r) to.push_back(hidden.row(r));
  backend_.scatter_add(branch, scales, to);
}

void Transformer::last_hidden(ConstFloatRows hidden, std::span<float> out,
                              Workspace& workspace) const {
  const auto width = static_cast<size_t>(h_.hidden_size);
  LAZYLLM_CHECK(out.size() == static_cast<size_t>(hidden.rows) * width);
  const FloatRows normed = workspace.normed(hidden.rows);
  backend_.rms_norm(hidden, weights_.norm.floats(), h_.norm_epsilon, normed);
  for (int64_t r = 0; r < normed.rows; ++r) {
    backend_.download(normed.row(r), out.data() + static_cast<size_t>(r) * width, width);
  }
}

void Transformer::logits(ConstFloatRows hidden, std::span<float> logits,
                         Workspace& workspace) const {
  LAZYLLM_CHECK(logits.size() == static_cast<size_t>(hidden.rows * h_.vocabulary_size));
  const FloatRows normed = workspace.normed(hidden.rows);
  backend_.rms_norm(hidden, weights_.norm.floats(), h_.norm_epsilon, normed);
  const FloatRows out = workspace.logits(hidden.rows);
  const MatmulTarget targets[] = {{weights_.lm_head.get(), weights_.lm_head_bias.floats(), out}};
  backend_.matmul(normed, targets);
  backend_.download(out.data, logits.data(), logits.size());
  if (h_.logit_scale != 1.0f) {
    for (float& x : logits) x *= h_.logit_scale;
  }
  if (h_.final_soft_cap > 0.0f) {
    for (float& x : logits) x = h_.final_soft_cap * std::tanh(x / h_.final_soft_cap);
  }
}

}  // namespace lazyllm::model
