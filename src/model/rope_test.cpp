// SPDX-License-Identifier: Apache-2.0
// Frequencies against those of Hugging Face transformers 5.23 (modeling_rope_utils).
#include "model/rope.h"

#include <gtest/gtest.h>

#include <cmath>

namespace lazyllm::model {
namespace {

RopeParameters sixteen(RopeScaling scaling, double factor, double original_context) {
  RopeParameters rope;
  rope.rotated = 16;
  rope.scaling = scaling;
  rope.factor = factor;
  rope.original_context = original_context;
  return rope;
}

void expect_frequencies(const RopeParameters& rope, const std::vector<double>& expected) {
  const std::vector<float> found = inverse_frequencies(rope);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], 2e-6 * expected[i]) << "pair " << i;
  }
}

TEST(Rope, Linear) {
  expect_frequencies(
      sixteen(RopeScaling::linear, 4.0, 0.0),
      {0.25, 0.079056941, 0.025, 0.0079056947, 0.0025, 0.00079056947, 0.00025, 7.9056947e-05});
}

TEST(Rope, Llama3) {
  expect_frequencies(
      sixteen(RopeScaling::llama3, 8.0, 256.0),
      {1.0, 0.31622776, 0.1, 0.0066131069, 0.00125, 0.00039528473, 0.000125, 3.9528473e-05});
}

TEST(Rope, YarnWithItsMagnitude) {
  RopeParameters rope = sixteen(RopeScaling::yarn, 4.0, 1024.0);
  expect_frequencies(rope, {1.0, 0.31622776, 0.08125, 0.019764237, 0.004375, 0.00079056947, 0.00025,
                            7.9056947e-05});
  EXPECT_NEAR(rotation_magnitude(rope), 1.138629436, 1e-6);
  rope = sixteen(RopeScaling::yarn, 8.0, 512.0);
  rope.beta_fast = 16.0;
  rope.beta_slow = 2.0;
  expect_frequencies(rope, {1.0, 0.31622776, 0.070833333, 0.013176158, 0.00125, 0.00039528473,
                            0.000125, 3.9528473e-05});
  EXPECT_NEAR(rotation_magnitude(rope), 1.207944154, 1e-6);
  rope.attention_factor = 0.5;
  EXPECT_EQ(rotation_magnitude(rope), 0.5f);
}

TEST(Rope, TheFilesOwnDivisors) {
  RopeParameters rope = sixteen(RopeScaling::none, 1.0, 0.0);
  rope.frequency_divisors = {1, 1, 1, 2, 4, 8, 8, 8};
  expect_frequencies(rope, {1.0, 0.31622776, 0.1, 0.031622776 / 2, 0.01 / 4, 0.0031622776 / 8,
                            0.001 / 8, 0.00031622776 / 8});
}

}  // namespace
}  // namespace lazyllm::model
