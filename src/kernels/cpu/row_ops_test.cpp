// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/error.h"
#include "base/float16.h"
#include "kernels/backend.h"

namespace lazyllm::kernels {
namespace {

std::vector<float> random_floats(size_t count, float factor, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& x : values) x = factor * normal(random);
  return values;
}

// Error in units of the last place of the exact value.
double ulps(float value, double exact) {
  const double place = std::ldexp(1.0, std::max(std::ilogb(exact), -126) - 23);
  return std::abs(static_cast<double>(value) - exact) / place;
}

class RowOpsTest : public testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<Backend> backend_ = create_cpu_backend(GetParam(), 2);
};

constexpr int64_t kColumns[] = {1, 2, 6, 15, 16, 17, 63, 80, 576, 2048};

TEST_P(RowOpsTest, RmsNorm) {
  for (const int64_t columns : kColumns) {
    const int64_t rows = 37;
    const int64_t stride = columns + 3;
    const std::vector<float> in = random_floats(size_t(rows * stride), 3.0f, 1);
    const std::vector<float> gamma = random_floats(size_t(columns), 1.0f, 2);
    std::vector<float> out(size_t(rows * columns));
    backend_->rms_norm({in.data(), rows, columns, stride}, gamma.data(), 1e-5f,
                       {out.data(), rows, columns, columns});
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (int64_t c = 0; c < columns; ++c) sum += std::pow(double(in[size_t(r * stride + c)]), 2);
      const double factor = 1 / std::sqrt(sum / double(columns) + 1e-5);
      for (int64_t c = 0; c < columns; ++c) {
        const double exact = in[size_t(r * stride + c)] * factor * gamma[size_t(c)];
        ASSERT_LT(ulps(out[size_t(r * columns + c)], exact), 8) << columns;
      }
      // In place and alone: the same bits.
      std::vector<float> row(in.begin() + r * stride, in.begin() + r * stride + columns);
      backend_->rms_norm({row.data(), 1, columns, columns}, gamma.data(), 1e-5f,
                         {row.data(), 1, columns, columns});
      ASSERT_EQ(0, std::memcmp(row.data(), &out[size_t(r * columns)], row.size() * 4));
    }
  }
}

TEST_P(RowOpsTest, ActivationsAreExactToAFewUlps) {
  std::vector<float> gate;
  for (float x = -30.0f; x < 30.0f; x += 0.00137f) gate.push_back(x);
  for (float x = 1e-30f; x < 1e30f; x *= 7.3f) gate.insert(gate.end(), {x, -x});
  gate.insert(gate.end(), {0.0f, -0.0f, 88.0f, -86.0f, 88.8f, 200.0f});
  const auto n = static_cast<int64_t>(gate.size());
  const std::vector<float> up(gate.size(), 1.0f);
  std::vector<float> out(gate.size());
  for (const Activation activation : {Activation::silu, Activation::gelu_tanh}) {
    backend_->gated_activation(activation, {gate.data(), 1, n, n}, {up.data(), 1, n, n},
                               {out.data(), 1, n, n});
    for (size_t i = 0; i < gate.size(); ++i) {
      const double x = gate[i];
      const double exponent = activation == Activation::silu
                                  ? x
                                  : 2 * std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x);
      const double exact = x / (1 + std::exp(-exponent));
      ASSERT_FALSE(std::isnan(out[i])) << x;
      if (std::abs(exact) < 1e-30) {  // as good as 0
        ASSERT_NEAR(out[i], exact, 1e-30) << x;
      } else {
        // Rounding of the exponent itself grows with it.
        ASSERT_LT(ulps(out[i], exact), 4 + std::max(0.0, -exponent) * 3) << x;
      }
    }
    // In place, with the up projection, any length.
    for (const int64_t columns : kColumns) {
      std::vector<float> row(gate.begin(), gate.begin() + columns);
      const std::vector<float> factors = random_floats(size_t(columns), 1.0f, 3);
      backend_->gated_activation(activation, {row.data(), 1, columns, columns},
                                 {factors.data(), 1, columns, columns},
                                 {row.data(), 1, columns, columns});
      for (int64_t i = 0; i < columns; ++i) {
        ASSERT_EQ(row[size_t(i)], out[size_t(i)] * factors[size_t(i)]);
      }
    }
  }
}

TEST_P(RowOpsTest, ClampedSwiglu) {
  std::vector<float> gate, up;
  for (float x = -60.0f; x < 12.0f; x += 0.0137f) {
    gate.push_back(x);
    up.push_back(std::fmod(x * 7.3f, 9.0f));
  }
  const auto n = static_cast<int64_t>(gate.size());
  std::vector<float> out(gate.size());
  backend_->gated_activation(Activation::clamped_swiglu, {gate.data(), 1, n, n},
                             {up.data(), 1, n, n}, {out.data(), 1, n, n});
  for (size_t i = 0; i < gate.size(); ++i) {
    const double g = std::min(static_cast<double>(gate[i]), 7.0);
    const double u = std::clamp(static_cast<double>(up[i]), -7.0, 7.0);
    const double exact = g / (1 + std::exp(-1.702 * g)) * (u + 1);
    ASSERT_NEAR(out[i], exact, 2e-5 * std::abs(exact) + 1e-30) << gate[i] << ' ' << up[i];
  }
}

TEST_P(RowOpsTest, Rope) {
  for (const bool interleaved : {false, true}) {
    for (const auto& [head_dim, rotated] :
         {std::pair{64, 64}, {80, 20}, {6, 6}, {6, 2}, {600, 600}}) {
      const int heads = 3;
      const int64_t rows = 40;
      const int64_t columns = heads * head_dim;
      std::vector<float> values = random_floats(size_t(rows * columns), 1.0f, 4);
      const std::vector<float> before = values;
      const std::vector<float> table = random_floats(size_t(50 * rotated), 1.0f, 5);
      std::vector<int32_t> positions;
      for (int r = 0; r < rows; ++r) positions.push_back(r * 7 % 50);
      backend_->rope({values.data(), rows, columns, columns}, heads, head_dim, positions,
                     {table.data(), 50, rotated, interleaved});
      for (int64_t r = 0; r < rows; ++r) {
        const float* cos_sin = table.data() + positions[size_t(r)] * rotated;
        for (int h = 0; h < heads; ++h) {
          const float* x = before.data() + r * columns + h * head_dim;
          const float* y = values.data() + r * columns + h * head_dim;
          for (int i = 0; i < rotated / 2; ++i) {
            const int low = interleaved ? 2 * i : i;
            const int high = interleaved ? 2 * i + 1 : i + rotated / 2;
            const double c = cos_sin[2 * i];
            const double s = cos_sin[2 * i + 1];
            ASSERT_NEAR(y[low], x[low] * c - x[high] * s, 2e-6);
            ASSERT_NEAR(y[high], x[high] * c + x[low] * s, 2e-6);
          }
          for (int i = rotated; i < head_dim; ++i) ASSERT_EQ(x[i], y[i]);
        }
      }
    }
  }
}

TEST_P(RowOpsTest, AddGatherScatter) {
  for (const int64_t columns : kColumns) {
    const int64_t rows = 65;
    std::vector<float> a = random_floats(size_t(rows * columns), 1.0f, 6);
    const std::vector<float> before = a;
    const std::vector<float> b = random_floats(size_t(rows * columns), 1.0f, 7);
    backend_->add({a.data(), rows, columns, columns}, {b.data(), rows, columns, columns});
    for (size_t i = 0; i < a.size(); ++i) ASSERT_EQ(a[i], before[i] + b[i]);

    std::vector<const float*> from;
    std::vector<float*> to;
    std::vector<float> copy(a.size());
    for (int64_t r = 0; r < rows; ++r) {
      from.push_back(a.data() + (r * 11 % rows) * columns);
      to.push_back(copy.data() + (r * 11 % rows) * columns);
    }
    std::vector<float> tile(a.size());
    backend_->gather(from, {tile.data(), rows, columns, columns});
    EXPECT_TRUE(std::equal(from[1], from[1] + columns, tile.data() + columns));
    backend_->scatter({tile.data(), rows, columns, columns}, to);
    EXPECT_EQ(copy, a);
  }
}

TEST_P(RowOpsTest, ConvolvesRowsOfACache) {
  constexpr int kTaps = 3, kSlots = 70;  // in two blocks
  for (const int64_t columns : kColumns) {
    const KvLayout layout{.kv_heads = 1,
                          .head_dim = int(columns),
                          .k_type = CacheType::f32,
                          .v_type = CacheType::f32,
                          .has_values = false};
    const Buffer first = backend_->allocate(layout.block_bytes());
    const Buffer second = backend_->allocate(layout.block_bytes());
    std::byte* const blocks[] = {static_cast<std::byte*>(first.data()),
                                 static_cast<std::byte*>(second.data())};
    const KvLayerView cache{layout, blocks};
    std::vector<float> inputs = random_floats(size_t(kSlots * columns), 1.0f, 1);
    const std::vector<float> other = random_floats(inputs.size(), 1.0f, 2);
    std::vector<int32_t> slots;
    for (int32_t i = 0; i < kSlots; ++i) slots.push_back((i * 11) % kSlots);
    backend_->multiply({inputs.data(), kSlots, columns, columns},
                       {other.data(), kSlots, columns, columns});
    backend_->append_kv(cache, slots, {inputs.data(), kSlots, columns, columns}, {});
    const std::vector<float> weights = random_floats(size_t(kTaps * columns), 1.0f, 3);
    const std::vector<float> bias = random_floats(size_t(columns), 1.0f, 4);
    const std::vector<float> gate = random_floats(inputs.size(), 1.0f, 5);
    std::vector<int32_t> taps;
    for (int32_t row = 0; row < kSlots; ++row) {
      for (int32_t from = row - kTaps + 1; from <= row; ++from) {
        taps.push_back(from < 0 || from % 7 == 3 ? -1 : slots[size_t(from)]);
      }
    }
    for (const float* const b : {static_cast<const float*>(nullptr), bias.data()}) {
      std::vector<float> out(inputs.size());
      backend_->convolve({.cache = cache,
                          .slots = taps,
                          .taps = kTaps,
                          .weights = weights.data(),
                          .bias = b,
                          .gate = {gate.data(), kSlots, columns, columns}},
                         {out.data(), kSlots, columns, columns});
      for (size_t i = 0; i < out.size(); ++i) {
        const int64_t row = int64_t(i) / columns, column = int64_t(i) % columns;
        double exact = b == nullptr ? 0.0 : b[column];
        for (int64_t tap = 0; tap < kTaps; ++tap) {
          const int64_t from = row - kTaps + 1 + tap;
          if (from < 0 || from % 7 == 3) continue;
          exact += double(weights[size_t(tap * columns + column)]) *
                   inputs[size_t(from * columns + column)];
        }
        ASSERT_NEAR(out[i], exact * gate[i], 1e-5) << columns << " " << row;
      }
      // A row alone has the same bits.
      std::vector<float> alone(static_cast<size_t>(columns));
      backend_->convolve({.cache = cache,
                          .slots = std::span(taps).last(kTaps),
                          .taps = kTaps,
                          .weights = weights.data(),
                          .bias = b,
                          .gate = {&gate[size_t((kSlots - 1) * columns)], 1, columns, columns}},
                         {alone.data(), 1, columns, columns});
      EXPECT_TRUE(std::equal(alone.begin(), alone.end(), out.end() - columns));
    }
  }
}

TEST_P(RowOpsTest, AppendKvRounds) {
  for (const int head_dim : {6, 32, 80, 96}) {
    for (const CacheType type : {CacheType::f16, CacheType::f32, CacheType::q8_0}) {
      if (type == CacheType::q8_0 && head_dim % 32 != 0) continue;
      const KvLayout layout = {2, head_dim, type, CacheType::f16};
      const int64_t rows = 90;
      const int64_t columns = 2 * head_dim;
      std::vector<float> k = random_floats(size_t(rows * columns), 2.0f, 8);
      std::fill(k.begin(), k.begin() + 32, 0.0f);            // a group of zeros
      for (int i = 32; i < 64; ++i) k[size_t(i)] *= 1e-20f;  // a scale that f16 cannot hold
      const std::vector<float> v = random_floats(size_t(rows * columns), 1e-4f, 9);
      std::vector<std::vector<std::byte>> memory(3, std::vector<std::byte>(layout.block_bytes()));
      std::vector<std::byte*> blocks = {memory[0].data(), memory[1].data(), memory[2].data()};
      std::vector<int32_t> slots;
      for (int r = 0; r < rows; ++r) slots.push_back(r * 7 % 192);
      backend_->append_kv({layout, blocks}, slots, {k.data(), rows, columns, columns},
                          {v.data(), rows, columns, columns});
      for (int64_t r = 0; r < rows; ++r) {
        const int slot = slots[size_t(r)];
        const std::byte* block = blocks[size_t(slot / 64)];
        for (int h = 0; h < 2; ++h) {
          const std::byte* row = block + layout.key_offset(h, slot % 64);
          const std::byte* value = block + layout.value_offset(h, slot % 64);
          const float* in = k.data() + r * columns + h * head_dim;
          for (int d = 0; d < head_dim; ++d) {
            uint16_t half;
            std::memcpy(&half, value + 2 * d, 2);
            ASSERT_EQ(half, float_to_half(v[size_t(r * columns + h * head_dim + d)]));
            if (type == CacheType::f16) {
              std::memcpy(&half, row + 2 * d, 2);
              ASSERT_EQ(half, float_to_half(in[d]));
            } else if (type == CacheType::f32) {
              ASSERT_EQ(0, std::memcmp(row + 4 * d, in + d, 4));
            } else {
              const float* group = in + d / 32 * 32;
              float amax = 0;
              for (int i = 0; i < 32; ++i) amax = std::max(amax, std::abs(group[i]));
              std::memcpy(&half, row + d / 32 * 34, 2);
              ASSERT_EQ(half, float_to_half(amax / 127.0f));
              const auto q = static_cast<int8_t>(row[d / 32 * 34 + 2 + d % 32]);
              const double exact = half == 0 ? 0.0 : double(in[d]) * 127.0 / amax;
              ASSERT_LE(std::abs(q - exact), 0.50001);
            }
          }
        }
      }
    }
  }
}

TEST_P(RowOpsTest, MemoryIsAlignedAndRefusedInWords) {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{1000}}) {
    const Buffer buffer = backend_->allocate(bytes);
    EXPECT_TRUE(buffer);
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(buffer.data()) % 64);
    EXPECT_EQ(buffer.bytes(), bytes);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // these stop the program
  EXPECT_THROW(backend_->allocate(std::numeric_limits<size_t>::max() / 4), Error);
#endif
  const float values[] = {1, 2, 3};
  float back[3] = {};
  const Buffer buffer = backend_->allocate(sizeof values);
  backend_->upload(values, buffer.floats(), 3);
  backend_->download(buffer.floats(), back, 3);
  EXPECT_EQ(back[2], 3.0f);
}

TEST(CpuBackend, ChoosesIsaAndThreads) {
  EXPECT_EQ(create_cpu_backend("", 1)->isa(), available_isas().front());
  EXPECT_EQ(available_isas().back(), "generic");
  EXPECT_EQ(create_cpu_backend("generic", 3)->threads(), 3);
  EXPECT_GE(create_cpu_backend("", 0)->threads(), 1);
  EXPECT_THROW(create_cpu_backend("sse9", 1), Error);
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string text = info.param;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

INSTANTIATE_TEST_SUITE_P(Isas, RowOpsTest, testing::ValuesIn(available_isas()), test_name);

}  // namespace
}  // namespace lazyllm::kernels
