// SPDX-License-Identifier: Apache-2.0
#include "model/experts.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

namespace lazyllm::model {
namespace {

std::vector<RoutedExpert> choose(std::vector<float> logits, int used, bool normalise,
                                 bool sigmoid = false, std::vector<float> selection_bias = {}) {
  ExpertParameters parameters;
  parameters.count = static_cast<int>(logits.size());
  parameters.used = used;
  parameters.normalise = normalise;
  parameters.sigmoid = sigmoid;
  std::vector<RoutedExpert> chosen;
  choose_experts(logits, parameters, selection_bias, chosen);
  return chosen;
}

TEST(Experts, ABiasCountsInTheChoiceAlone) {
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  const auto chosen = choose({1.0f, 3.0f, -2.0f, 2.0f}, 2, false, true, {0.0f, 0.0f, 1.0f, 0.0f});
  ASSERT_EQ(chosen.size(), 2u);
  EXPECT_EQ(chosen[0].expert, 1);
  EXPECT_NEAR(chosen[0].weight, sigmoid(3.0), 1e-6);
  EXPECT_EQ(chosen[1].expert, 2);
  EXPECT_NEAR(chosen[1].weight, sigmoid(-2.0), 1e-6);
  const auto normalised = choose({1.0f, 3.0f, -2.0f, 2.0f}, 2, true, true);
  ASSERT_EQ(normalised.size(), 2u);
  EXPECT_EQ(normalised[1].expert, 3);
  EXPECT_NEAR(normalised[0].weight + normalised[1].weight, 1.0, 1e-6);
}

TEST(Experts, TheHighestInAscendingOrder) {
  const auto chosen = choose({1.0f, 3.0f, -2.0f, 2.0f}, 2, false);
  ASSERT_EQ(chosen.size(), 2u);
  const double sum = std::exp(1.0) + std::exp(3.0) + std::exp(-2.0) + std::exp(2.0);
  EXPECT_EQ(chosen[0].expert, 1);
  EXPECT_NEAR(chosen[0].weight, std::exp(3.0) / sum, 1e-6);
  EXPECT_EQ(chosen[1].expert, 3);
  EXPECT_NEAR(chosen[1].weight, std::exp(2.0) / sum, 1e-6);
}

TEST(Experts, WeightsThatAddUpToOne) {
  const auto chosen = choose({1.0f, 3.0f, -2.0f, 2.0f}, 2, true);
  EXPECT_NEAR(chosen[0].weight + chosen[1].weight, 1.0, 1e-6);
  EXPECT_NEAR(chosen[0].weight / chosen[1].weight, std::exp(1.0), 1e-5);
}

TEST(Experts, OfEqualsTheFirst) {
  const auto chosen = choose({5.0f, 5.0f, 5.0f}, 2, true);
  EXPECT_EQ(chosen[0].expert, 0);
  EXPECT_EQ(chosen[1].expert, 1);
}

TEST(Experts, AllOfThem) {
  EXPECT_EQ(choose({0.0f, 100.0f}, 2, false).size(), 2u);
}

/// Experts of 4 x 4 matrices, each full of one number.
class StoreOfSix {
 public:
  explicit StoreOfSix(size_t experts_that_fit)
      : backend_(kernels::create_cpu_backend("generic", 1)),
        store_(*backend_, experts_that_fit * 3 * kBytes) {
    for (int layer = 0; layer < 2; ++layer) {
      std::vector<ExpertSources> sources(3);
      for (int expert = 0; expert < 3; ++expert) {
        values_[layer][expert].assign(16, static_cast<float>(10 * layer + expert));
        for (auto& source : sources[static_cast<size_t>(expert)]) {
          source = {
              {"t", StorageType::f32, 4, 4, std::as_bytes(std::span(values_[layer][expert]))}};
        }
      }
      store_.add_layer(std::move(sources), "file");
    }
  }

  float first_product(int layer, int expert) const {
    const FeedForwardWeights weights = store_.get(layer, expert);
    const float in[4] = {1, 0, 0, 0};
    float out[4] = {};
    const kernels::MatmulTarget target[] = {
        {weights.up_proj.get(), nullptr, kernels::FloatRows{out, 1, 4, 4}}};
    backend_->matmul(kernels::ConstFloatRows{in, 1, 4, 4}, target);
    return out[0];
  }

  const ExpertStore& store() const { return store_; }
  std::vector<float>& values(int layer, int expert) { return values_[layer][expert]; }

 private:
  static constexpr size_t kBytes = 16 * sizeof(float);
  std::unique_ptr<kernels::Backend> backend_;
  std::vector<float> values_[2][3];
  ExpertStore store_;
};

TEST(ExpertStore, GivesTheSameWithLittleMemory) {
  for (const size_t fit : {0u, 1u, 4u, 6u, 100u}) {
    const StoreOfSix experts(fit);
    for (const int round : {0, 1, 2}) {
      for (int i = 0; i < 6; ++i) {
        const int at = (i * 5 + round) % 6;
        EXPECT_EQ(experts.first_product(at / 3, at % 3), static_cast<float>(10 * (at / 3) + at % 3))
            << fit;
      }
    }
  }
}

TEST(ExpertStore, RepacksAgainWhatDidNotFit) {
  StoreOfSix few(0);
  EXPECT_EQ(few.first_product(0, 1), 1.0f);
  EXPECT_EQ(few.first_product(0, 2), 2.0f);  // which takes the place of the one before
  few.values(0, 1).assign(16, 7.0f);         // seen only by who repacks
  few.values(0, 2).assign(16, 8.0f);
  EXPECT_EQ(few.first_product(0, 2), 2.0f);
  EXPECT_EQ(few.first_product(0, 1), 7.0f);
  StoreOfSix all(100);
  all.values(0, 1).assign(16, 7.0f);
  EXPECT_EQ(all.first_product(0, 1), 1.0f);
}

TEST(ExpertStore, MakesWhatTheFileDoesNotHoldAsItIs) {
  const auto backend = kernels::create_cpu_backend("generic", 1);
  ExpertStore store(*backend, 0);  // repacked, and so made, at every turn
  int made = 0;
  std::vector<ExpertSources> sources(2);
  for (ExpertSources& of_expert : sources) {
    for (ExpertSource& matrix : of_expert) {
      matrix.source = {"t", StorageType::f32, 4, 4, {}};
      matrix.make = [&](std::byte* out) {
        const std::vector<float> values(16, static_cast<float>(++made));
        std::memcpy(out, values.data(), matrix.bytes());
      };
    }
  }
  store.add_layer(sources, "file");
  EXPECT_EQ(made, 0);
  const FeedForwardWeights weights = store.get(0, 1);
  EXPECT_EQ(made, 3);
  const float in[4] = {1, 0, 0, 0};
  float out[4] = {};
  const kernels::MatmulTarget target[] = {
      {weights.down_proj.get(), nullptr, kernels::FloatRows{out, 1, 4, 4}}};
  backend->matmul(kernels::ConstFloatRows{in, 1, 4, 4}, target);
  EXPECT_EQ(out[0], 3.0f);
}

}  // namespace
}  // namespace lazyllm::model
