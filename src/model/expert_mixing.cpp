// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "model/transformer.h"

namespace lazyllm::model {

using kernels::ConstFloatRows;
using kernels::FloatRows;
using kernels::MatmulTarget;

namespace {

/// Rows of a tile by the expert that they pass, and what its result weighs in each.
struct ExpertRows {
  std::vector<int64_t> rows;
  std::vector<float> weights;
};

/// Of one expert; null where the model has none.
struct ExpertBiases {
  const float* gate = nullptr;
  const float* up = nullptr;
  const float* down = nullptr;

  ExpertBiases() = default;
  ExpertBiases(const LayerWeights& w, int expert, int intermediate, int hidden) {
    if (!w.expert_gate_bias) return;
    gate = w.expert_gate_bias.floats() + static_cast<int64_t>(expert) * intermediate;
    up = w.expert_up_bias.floats() + static_cast<int64_t>(expert) * intermediate;
    down = w.expert_down_bias.floats() + static_cast<int64_t>(expert) * hidden;
  }
};

}  // namespace

void Transformer::mix_experts(int layer, ConstFloatRows normed, FloatRows hidden,
                              Workspace& workspace) const {
  const LayerWeights& w = weights_.layers[static_cast<size_t>(layer)];
  const ExpertParameters& experts = h_.experts;
  const int64_t rows = normed.rows;
  const auto count = static_cast<size_t>(experts.count);

  // All products that read `normed` of every row come first.
  const FloatRows router = workspace.router(rows);
  const MatmulTarget router_target[] = {{w.router.get(), w.router_bias.floats(), router}};
  backend_.matmul(normed, router_target);
  std::vector<float> logits(static_cast<size_t>(rows) * count);
  backend_.download(router.data, logits.data(), logits.size());

  std::vector<ExpertRows> by_expert(count);
  std::vector<RoutedExpert> chosen;
  for (int64_t r = 0; r < rows; ++r) {
    choose_experts(std::span(logits).subspan(static_cast<size_t>(r) * count, count), experts,
                   w.selection_bias, chosen);
    for (const RoutedExpert& each : chosen) {
      ExpertRows& of_expert = by_expert[static_cast<size_t>(each.expert)];
      of_expert.rows.push_back(r);
      of_expert.weights.push_back(each.weight * h_.residual_scale);
    }
  }

  std::vector<const float*> from;
  std::vector<float*> to;
  // hidden[rows[i]] += weights[i] * feed-forward(in[i])
  const auto pass = [&](ConstFloatRows in, int intermediate, const kernels::Weight& gate_proj,
                        const kernels::Weight& up_proj, const kernels::Weight& down_proj,
                        const ExpertBiases& biases, std::span<const float> weights) {
    const FloatRows gate = workspace.gate(in.rows, intermediate);
    const FloatRows up = workspace.up(in.rows, intermediate);
    const FloatRows out = workspace.branch(in.rows);
    const MatmulTarget inner[] = {{&gate_proj, biases.gate, gate}, {&up_proj, biases.up, up}};
    backend_.matmul(in, inner);
    backend_.gated_activation(h_.activation, gate, up, gate);
    const MatmulTarget outer[] = {{&down_proj, biases.down, out}};
    backend_.matmul(gate, outer);
    backend_.scatter_add(out, weights, to);
  };

  // A row's experts come in ascending order, whatever other rows are beside it: the same bits.
  for (int expert = 0; expert < experts.count; ++expert) {
    const ExpertRows& of_expert = by_expert[static_cast<size_t>(expert)];
    if (of_expert.rows.empty()) continue;
    from.clear();
    to.clear();
    for (const int64_t r : of_expert.rows) {
      from.push_back(normed.row(r));
      to.push_back(hidden.row(r));
    }
    const FloatRows in = workspace.expert_input(static_cast<int64_t>(from.size()));
    backend_.gather(from, in);
    const FeedForwardWeights weights = weights_.experts->get(w.expert_layer, expert);
    pass(in, experts.intermediate_size, *weights.gate_proj, *weights.up_proj, *weights.down_proj,
         ExpertBiases(w, expert, experts.intermediate_size, h_.hidden_size), of_expert.weights);
  }

  if (experts.shared_size == 0) return;
  std::vector<float> scales(static_cast<size_t>(rows), h_.residual_scale);
  if (w.shared_gate != nullptr) {
    const FloatRows gate{workspace.router(rows).data, rows, 1, 1};
    const MatmulTarget target[] = {{w.shared_gate.get(), nullptr, gate}};
    backend_.matmul(normed, target);
    backend_.download(gate.data, scales.data(), scales.size());
    for (float& scale : scales) scale = h_.residual_scale / (1.0f + std::exp(-scale));
  }
  to.clear();
  for (int64_t r = 0; r < rows; ++r) to.push_back(hidden.row(r));
  pass(normed, experts.shared_size, *w.gate_proj, *w.up_proj, *w.down_proj, {}, scales);
}

}  // namespace lazyllm::model
