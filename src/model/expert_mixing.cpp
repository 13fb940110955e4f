// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "model/transformer.h"

namespace lazyllm::model {

using kernels::ConstFloatRows;
using kernels::FloatRows;
using kernels::MatmulTarget;

/// Rows of a tile by the expert that they pass, and what its result weighs in each.
struct Transformer::ExpertRows {
  std::vector<int64_t> rows;
  std::vector<float> weights;
};

/// A gated feed-forward; biases are null where there are none.
struct Transformer::FeedForward {
  int intermediate;
  const kernels::Weight *gate_proj, *up_proj, *down_proj;
  const float *gate_bias = nullptr, *up_bias = nullptr, *down_bias = nullptr;

  /// Of one expert; the weights must be held while this is used.
  FeedForward(const FeedForwardWeights& weights, const LayerWeights& w, int expert, int width,
              int hidden)
      : intermediate(width),
        gate_proj(weights.gate_proj.get()),
        up_proj(weights.up_proj.get()),
        down_proj(weights.down_proj.get()) {
    if (!w.expert_gate_bias) return;
    gate_bias = w.expert_gate_bias.floats() + static_cast<int64_t>(expert) * width;
    up_bias = w.expert_up_bias.floats() + static_cast<int64_t>(expert) * width;
    down_bias = w.expert_down_bias.floats() + static_cast<int64_t>(expert) * hidden;
  }
  /// The expert that every row passes.
  FeedForward(const LayerWeights& w, int width)
      : intermediate(width),
        gate_proj(w.gate_proj.get()),
        up_proj(w.up_proj.get()),
        down_proj(w.down_proj.get()) {}
};

std::vector<Transformer::ExpertRows> Transformer::route(int layer, ConstFloatRows in,
                                                        Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const auto count = static_cast<size_t>(h_.experts.count);
  const FloatRows router = workspace.router(in.rows);
  const MatmulTarget router_target[] = {{w.router.get(), w.router_bias.floats(), router}};
  backend_.matmul(in, router_target);
  std::vector<float> logits(static_cast<size_t>(in.rows) * count);
  backend_.download(router.data, logits.data(), logits.size());

  std::vector<ExpertRows> by_expert(count);
  std::vector<RoutedExpert> chosen;
  for (int64_t r = 0; r < in.rows; ++r) {
    choose_experts(std::span(logits).subspan(static_cast<size_t>(r) * count, count), h_.experts,
                   w.selection_bias, chosen);
    for (const RoutedExpert& each : chosen) {
      const auto expert = static_cast<size_t>(each.expert);
      const float scale = w.expert_scales.empty() ? 1.0f : w.expert_scales[expert];
      by_expert[expert].rows.push_back(r);
      by_expert[expert].weights.push_back(each.weight * scale * h_.residual_scale);
    }
  }
  return by_expert;
}

void Transformer::pass_feed_forward(const FeedForward& through, ConstFloatRows in,
                                    std::span<const float> scales, std::span<float* const> to,
                                    Workspace& workspace) const {
  const FloatRows gate = workspace.gate(in.rows, through.intermediate);
  const FloatRows up = workspace.up(in.rows, through.intermediate);
  const FloatRows out = workspace.branch(in.rows);
  const MatmulTarget inner[] = {{through.gate_proj, through.gate_bias, gate},
                                {through.up_proj, through.up_bias, up}};
  backend_.matmul(in, inner);
  backend_.gated_activation(h_.activation, gate, up, gate);
  const MatmulTarget outer[] = {{through.down_proj, through.down_bias, out}};
  backend_.matmul(gate, outer);
  backend_.scatter_add(out, scales, to);
}

/// A row's experts come in ascending order, whatever other rows are beside it: the same bits.
void Transformer::pass_experts(int layer, std::span<const ExpertRows> by_expert, ConstFloatRows in,
                               FloatRows to, Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  std::vector<const float*> from;
  std::vector<float*> targets;
  for (int expert = 0; expert < h_.experts.count; ++expert) {
    const ExpertRows& of_expert = by_expert[static_cast<size_t>(expert)];
    if (of_expert.rows.empty()) continue;
    from.clear();
    targets.clear();
    for (const int64_t r : of_expert.rows) {
      from.push_back(in.row(r));
      targets.push_back(to.row(r));
    }
    const FloatRows gathered = workspace.expert_input(static_cast<int64_t>(from.size()));
    backend_.gather(from, gathered);
    const FeedForwardWeights weights = weights_.experts->get(w.expert_layer, expert);
    pass_feed_forward({weights, w, expert, h_.experts.intermediate_size, h_.hidden_size}, gathered,
                      of_expert.weights, targets, workspace);
  }
}

void Transformer::mix_experts(int layer, ConstFloatRows normed, FloatRows hidden,
                              Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const ExpertParameters& experts = h_.experts;
  pass_experts(layer, route(layer, normed, workspace), normed, hidden, workspace);

  if (experts.shared_size == 0) return;
  const int64_t rows = normed.rows;
  std::vector<float> scales(static_cast<size_t>(rows), h_.residual_scale);
  if (w.shared_gate != nullptr) {
    const FloatRows gate{workspace.router(rows).data, rows, 1, 1};
    const MatmulTarget target[] = {{w.shared_gate.get(), nullptr, gate}};
    backend_.matmul(normed, target);
    backend_.download(gate.data, scales.data(), scales.size());
    for (float& scale : scales) scale = h_.residual_scale / (1.0f + std::exp(-scale));
  }
  std::vector<float*> to;
  for (int64_t r = 0; r < rows; ++r) to.push_back(hidden.row(r));
  pass_feed_forward({w, experts.shared_size}, normed, scales, to, workspace);
}

void Transformer::mix_experts_beside(int layer, FloatRows hidden, Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const int64_t rows = hidden.rows;
  const FloatRows normed = workspace.normed(rows), sum = workspace.expert_sum(rows);
  const auto norm = [&](ConstFloatRows in, const kernels::Buffer& gamma, FloatRows out) {
    backend_.rms_norm(in, gamma.floats(), h_.norm_epsilon, out);
  };
  norm(hidden, w.router_norm, normed);
  const std::vector<ExpertRows> by_expert = route(layer, normed, workspace);

  norm(hidden, w.pre_feedforward_norm_2, normed);
  const std::vector<float> zeros(static_cast<size_t>(rows * h_.hidden_size), 0.0f);
  backend_.upload(zeros.data(), sum.data, zeros.size());
  pass_experts(layer, by_expert, normed, sum, workspace);
  norm(sum, w.post_feedforward_norm_2, sum);

  norm(hidden, w.pre_feedforward_layernorm, normed);
  const int width = h_.intermediate_of(layer);
  const FloatRows gate = workspace.gate(rows, width), up = workspace.up(rows, width);
  const MatmulTarget inner[] = {{w.gate_proj.get(), w.gate_bias.floats(), gate},
                                {w.up_proj.get(), w.up_bias.floats(), up}};
  backend_.matmul(normed, inner);
  backend_.gated_activation(h_.activation, gate, up, gate);
  add_branch(*w.down_proj, w.down_bias.floats(), w.post_feedforward_norm_1, gate, sum, workspace);

  norm(sum, w.post_feedforward_norm, sum);
  backend_.add(hidden, sum);
}

}  // namespace lazyllm::model
