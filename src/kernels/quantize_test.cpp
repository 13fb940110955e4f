// SPDX-License-Identifier: Apache-2.0
#include "kernels/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/dequantize.h"

namespace lazyllm::kernels {
namespace {

/// Root of the mean squared error, as a share of the values' own.
double relative_error(StorageType type, const std::vector<float>& values) {
  const auto columns = static_cast<int64_t>(values.size());
  std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, columns)));
  quantize_row(type, values.data(), columns, row.data());
  std::vector<float> back(values.size());
  dequantize_row(type, row.data(), columns, back.data());
  double error = 0.0, power = 0.0;
  for (size_t i = 0; i < values.size(); ++i) {
    const double off = static_cast<double>(back[i]) - static_cast<double>(values[i]);
    error += off * off;
    power += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  }
  return power == 0.0 ? std::sqrt(error) : std::sqrt(error / power);
}

// Measured: 0.0054, 0.0852, 0.0720, 0.0179, 0.0360 and 0.1126 for the last six.
TEST(Quantize, ErrorsOfNormalValues) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> values(256 * 400);
  for (float& x : values) x = normal(random);
  EXPECT_EQ(relative_error(StorageType::f32, values), 0.0);
  EXPECT_LT(relative_error(StorageType::f16, values), 3e-4);
  EXPECT_LT(relative_error(StorageType::bf16, values), 2e-3);
  EXPECT_LT(relative_error(StorageType::q8_0, values), 0.0056);
  EXPECT_LT(relative_error(StorageType::q4_0, values), 0.088);
  EXPECT_LT(relative_error(StorageType::q4_k, values), 0.074);
  EXPECT_LT(relative_error(StorageType::q6_k, values), 0.0185);
  EXPECT_LT(relative_error(StorageType::q5_k, values), 0.038);
  EXPECT_LT(relative_error(StorageType::mxfp4, values), 0.125);
}

TEST(Quantize, WhatIsExactStaysExact) {
  for (const StorageType type : {StorageType::q8_0, StorageType::q4_0, StorageType::q4_k,
                                 StorageType::q5_k, StorageType::q6_k, StorageType::mxfp4}) {
    EXPECT_EQ(relative_error(type, std::vector<float>(512, 0.0f)), 0.0) << traits(type).name;
  }
  std::vector<float> eighths(256);
  for (size_t i = 0; i < eighths.size(); ++i) eighths[i] = static_cast<float>(int(i % 16) - 8) / 8;
  EXPECT_EQ(relative_error(StorageType::q4_0, eighths), 0.0);
  // All that a block of MXFP4 can hold, from the lowest power of two to the highest.
  const float halves[] = {0, 1, 2, 3, 4, 6, 8, 12, -1, -2, -3, -4, -6, -8, -12};
  for (const int power : {-24, -15, -14, -6, 0, 15}) {
    std::vector<float> values(64);
    for (size_t i = 0; i < values.size(); ++i) values[i] = std::ldexp(halves[i % 15], power);
    EXPECT_EQ(relative_error(StorageType::mxfp4, values), 0.0) << power;
  }
}

TEST(Quantize, EachBitOfCodesScalesAndMinimumsHasItsPlace) {
  // Each group of 32 spans another range, so that neighbouring scales and minimums differ.
  std::mt19937 random(11);
  std::uniform_real_distribution<float> uniform(0.0f, 1.0f);
  std::vector<float> values(512);
  for (size_t i = 0; i < values.size(); ++i) {
    const auto group = static_cast<float>(i / 32 * 5 % 8);
    values[i] = (1.0f + group) * uniform(random) - 0.7f * (8.0f - group);
  }
  EXPECT_LT(relative_error(StorageType::q4_k, values), 0.03);
  EXPECT_LT(relative_error(StorageType::q5_k, values), 0.015);
}

TEST(Quantize, ExtremeValues) {
  std::vector<float> values(512, 1e-30f);
  values[3] = 60000.0f;
  values[300] = -1e-8f;
  for (const StorageType type : {StorageType::q8_0, StorageType::q4_0, StorageType::q4_k,
                                 StorageType::q5_k, StorageType::q6_k}) {
    EXPECT_LT(relative_error(type, values), 0.05) << traits(type).name;
  }
  EXPECT_LT(relative_error(StorageType::mxfp4, values), 0.1);  // 60000 becomes 65536
  EXPECT_LT(relative_error(StorageType::mxfp4, std::vector<float>(32, 4e5f)), 0.02);
  EXPECT_LE(relative_error(StorageType::mxfp4, std::vector<float>(32, -1e-30f)), 1.0);
}

}  // namespace
}  // namespace lazyllm::kernels
