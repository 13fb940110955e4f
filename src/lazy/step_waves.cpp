// SPDX-License-Identifier: Apache-2.0
// Where a model is split over machines, its stages work on one prompt at the same time.
#include <algorithm>

#include "lazy/step.h"

namespace lazyllm::lazy {
namespace {

/// Rows of a wave in the mean: fewer fill the stages better, more unpack each weight less often.
constexpr size_t kWaveRows = 256;

/// What one more key costs a row, where its matrix products cost 1; over all layers. Products with
/// keys and values are of floats and take about twice as long.
double key_cost(const model::Hyperparameters& h) {
  double products = 0.0, keys = 0.0;
  for (int layer = 0; layer < h.layers; ++layer) {
    const double q = h.q_size(layer), kv = h.kv_size(layer);
    products += h.hidden_size * (2.0 * q + 2.0 * kv + 3.0 * h.intermediate_size);
    if (h.full_attention(layer)) keys += 2.0 * 2.0 * q;
  }
  return keys / products;
}

}  // namespace

/// Up to the first layer that selects, tokens may come in any chunks; behind it all must have
/// passed it first.
void Stepper::plan_waves(StepRun& run) const {
  run.wave_ends_.clear();
  run.wave_ = 0;
  if (transformer_.stages() == 1 || run.parts_.size() != 1) return;
  StepPart& part = *run.parts_.front();
  run.wave_depth_ = std::min(run.layers_, part.free_depth());
  if (run.wave_depth_ == 0 || transformer_.stage_of(run.wave_depth_ - 1) == 0) return;
  const size_t rows = part.request().new_tokens.size();
  // The queries that score are all in the last one.
  const size_t each = std::max(kWaveRows, part.scoring_rows());
  const size_t waves = rows / each;
  if (waves < 2) return;
  const int64_t end = part.sequence().size(), begin = end - static_cast<int64_t>(rows);
  // The stages wait for the wave that takes longest, and later rows look at more keys.
  const double keys = key_cost(h_);
  const auto cost = [keys](int64_t row) {  // of the rows before it
    return static_cast<double>(row) * (1.0 + keys * static_cast<double>(row) / 2.0);
  };
  int64_t row = begin;
  for (size_t wave = 1; wave < waves; ++wave) {
    const double share = static_cast<double>(wave) / static_cast<double>(waves);
    const double until = cost(begin) + share * (cost(end) - cost(begin));
    while (cost(row) < until) ++row;
    run.wave_ends_.push_back(std::min(row, end - static_cast<int64_t>(part.scoring_rows())));
  }
  run.wave_ends_.push_back(end);
  part.end_set_at(run.wave_ends_.front());
}

}  // namespace lazyllm::lazy
