// SPDX-License-Identifier: Apache-2.0
#include "server/cost_model.h"

#include <gtest/gtest.h>

#include "engine/tiny_model_for_tests.h"

namespace lazyllm::server {
namespace {

/// A run on a machine that takes 1 ns for a linear operation, 2 for one of attention, and 5 ms
/// beside them.
Statistics run_on_known_machine(const Model& model, const std::vector<int64_t>& kept,
                                const std::vector<int64_t>& cached) {
  const PrefillWork whole = model.prefill_work(kept), spared = model.prefill_work(cached);
  const PrefillWork nothing = model.prefill_work(std::vector<int64_t>(kept.size(), 0));
  Statistics s;
  s.prompt_tokens = kept.front();
  s.kept_per_layer = kept;
  s.linear_ms = (whole.linear() - spared.linear() + nothing.linear()) * 1e-6;
  s.attention_ms = (whole.attention - spared.attention) * 2e-6;
  s.ttft_ms = s.linear_ms + s.attention_ms + 5.0;
  return s;
}

TEST(CostModel, SameEstimateFromDenseLazyAndCachedRuns) {
  const auto model = load_tiny_model();
  const auto layers = static_cast<size_t>(model->info().layers);
  const std::vector<int64_t> all(layers, 1000), none(layers, 0);
  const Statistics dense = run_on_known_machine(*model, all, none);
  EXPECT_NEAR(*CostModel(model).dense_ttft_ms(dense, dense.ttft_ms, {}), dense.ttft_ms,
              1e-6 * dense.ttft_ms);

  std::vector<int64_t> kept = all, cached = none;
  for (size_t layer = layers / 2; layer < layers; ++layer) kept[layer] = 200;
  const Statistics lazy = run_on_known_machine(*model, kept, none);
  EXPECT_NEAR(*CostModel(model).dense_ttft_ms(lazy, lazy.ttft_ms, {}), dense.ttft_ms,
              1e-6 * dense.ttft_ms);

  // The layers before the first pruning came from a snapshot for 900 of the tokens.
  for (size_t layer = 0; layer < layers / 2; ++layer) cached[layer] = 900;
  const Statistics second = run_on_known_machine(*model, kept, cached);
  EXPECT_NEAR(
      *CostModel(model).dense_ttft_ms(second, second.ttft_ms, {900, static_cast<int>(layers / 2)}),
      dense.ttft_ms, 1e-6 * dense.ttft_ms);
}

TEST(CostModel, ShortRunsBorrowTheRateOfALongOne) {
  const auto model = load_tiny_model();
  const auto layers = static_cast<size_t>(model->info().layers);
  const std::vector<int64_t> all(layers, 1000), none(layers, 0);
  CostModel cost(model);
  Statistics nearly_all_cached = run_on_known_machine(*model, all, none);
  nearly_all_cached.linear_ms = 1e6;  // what one row takes says nothing about many
  EXPECT_FALSE(cost.dense_ttft_ms(nearly_all_cached, nearly_all_cached.ttft_ms,
                                  {999, static_cast<int>(layers)}))
      << "nothing to borrow yet";
  const Statistics dense = run_on_known_machine(*model, all, none);
  cost.dense_ttft_ms(dense, dense.ttft_ms, {});
  nearly_all_cached.ttft_ms = nearly_all_cached.linear_ms + nearly_all_cached.attention_ms + 5.0;
  EXPECT_NEAR(*cost.dense_ttft_ms(nearly_all_cached, nearly_all_cached.ttft_ms,
                                  {999, static_cast<int>(layers)}),
              dense.ttft_ms, 1e-6 * dense.ttft_ms);
  EXPECT_FALSE(cost.dense_ttft_ms(Statistics{}, 0.0, {}))
      << "a run that was cut before its prefill";
}

}  // namespace
}  // namespace lazyllm::server
