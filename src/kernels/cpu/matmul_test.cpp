// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/matmul.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/file_mapping.h"
#include "kernels/cpu/packed_weight.h"
#include "kernels/cpu/random_weight.h"
#include "kernels/dequantize.h"

namespace lazyllm::kernels::cpu {
namespace {

std::vector<float> random_floats(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 1.0f);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = normal(random);
  return values;
}

/// To the nearest BF16, halves to even.
float to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u);
}

bool is_float_type(StorageType type) {
  return traits(type).block_values == 1;
}

/// Activations as matmul() sees them: rounded to int8 per group, or to BF16 where such weights
/// are multiplied as they are, or not at all.
std::vector<double> seen_activations(Isa isa, StorageType type, const std::vector<float>& in) {
  std::vector<double> seen(in.begin(), in.end());
  if (isa == Isa::avx512_bf16 && type == StorageType::bf16) {
    for (size_t i = 0; i < in.size(); ++i) seen[i] = static_cast<double>(to_bf16(in[i]));
    return seen;
  }
  for (size_t g = 0; !is_float_type(type) && g < in.size(); g += 32) {
    float maximum = 0.0f;
    for (size_t i = g; i < g + 32; ++i) maximum = std::max(maximum, std::fabs(in[i]));
    const float inverse = maximum > 0.0f ? 127.0f / maximum : 0.0f;
    const float scale = maximum / 127.0f;
    for (size_t i = g; i < g + 32; ++i) {
      seen[i] = static_cast<double>(std::nearbyintf(in[i] * inverse)) * static_cast<double>(scale);
    }
  }
  return seen;
}

/// out = weight * in (+ bias, + out), as matmul() computes it.
std::vector<float> run(Isa isa, ThreadPool& pool, const Weight& weight,
                       const std::vector<float>& in, int64_t rows, const float* bias = nullptr,
                       const float* base = nullptr) {
  std::vector<float> out(static_cast<size_t>(rows * weight.rows()), -1.0f);
  if (base != nullptr) std::copy_n(base, out.size(), out.data());
  const MatmulTarget target{
      &weight, bias, {out.data(), rows, weight.rows(), weight.rows()}, base != nullptr};
  matmul(isa, pool, {in.data(), rows, weight.columns(), weight.columns()}, {&target, 1});
  return out;
}

void expect_product(Isa isa, const RandomWeight& w, const std::vector<float>& in, int64_t rows,
                    const float* out, int64_t out_stride, const std::string& what) {
  const std::vector<double> seen = seen_activations(isa, w.type, in);
  std::vector<float> weights(static_cast<size_t>(w.columns));
  for (int64_t o = 0; o < w.rows; ++o) {
    dequantize_row(w.type, w.data.data() + o * row_bytes(w.type, w.columns), w.columns,
                   weights.data());
    for (int64_t r = 0; r < rows; ++r) {
      double sum = 0.0;
      double magnitude = 0.0;
      for (int64_t k = 0; k < w.columns; ++k) {
        const double term = seen[static_cast<size_t>(r * w.columns + k)] *
                            static_cast<double>(weights[static_cast<size_t>(k)]);
        sum += term;
        magnitude += std::fabs(term);
      }
      ASSERT_NEAR(out[r * out_stride + o], sum, 1e-5 * magnitude + 1e-30)
          << what << " row " << r << " output " << o;
    }
  }
}

std::string label(Isa isa, StorageType type) {
  return std::string(name(isa)) + " " + std::string(traits(type).name);
}

TEST(Matmul, EveryTypeOnEveryIsaEqualsTheScalarOracle) {
  ThreadPool pool(2);
  uint32_t seed = 1;
  for (const Isa isa : detect_isas()) {
    for (const StorageType type : kAllStorageTypes) {
      const int64_t unit = is_float_type(type) ? 1 : traits(type).block_values;
      for (const int64_t rows : {1, 2, 3, 5, 6, 7, 13, 40}) {
        const int64_t outputs = 1 + seed * 7 % 75;
        const int64_t columns =
            is_float_type(type) ? 1 + seed * 13 % 300 : unit * (1 + seed % (unit == 32 ? 21 : 4));
        const RandomWeight w(type, outputs, columns, seed);
        const WeightSource source = w.source();
        const auto weight = pack_weight({&source, 1}, false, pool);
        const std::vector<float> in = random_floats(rows * columns, seed);
        const std::vector<float> out = run(isa, pool, *weight, in, rows);
        expect_product(isa, w, in, rows, out.data(), outputs, label(isa, type));
        if (HasFatalFailure()) return;
        ++seed;
      }
    }
  }
}

TEST(Matmul, BitsDoNotDependOnRowsOrThreads) {
  ThreadPool one(1);
  ThreadPool three(3);
  constexpr int64_t kRows = 131;
  for (const Isa isa : detect_isas()) {
    for (const StorageType type : kAllStorageTypes) {
      const int64_t columns = 1280;  // more than one block of columns
      const int64_t outputs = 83;
      const RandomWeight w(type, outputs, columns, 5);
      const WeightSource source = w.source();
      const auto weight = pack_weight({&source, 1}, false, one);
      const std::vector<float> in = random_floats(kRows * columns, 6);
      const std::vector<float> all = run(isa, one, *weight, in, kRows);
      EXPECT_EQ(all, run(isa, three, *weight, in, kRows)) << label(isa, type);
      for (const int64_t rows : {1, 2, 3, 4, 5, 6, 7, 11, 12, 29, 97}) {
        const int64_t first = kRows - rows;
        const std::vector<float> some(in.begin() + first * columns, in.end());
        const std::vector<float> out = run(isa, rows % 2 ? one : three, *weight, some, rows);
        EXPECT_EQ(std::memcmp(out.data(), all.data() + first * outputs, out.size() * 4), 0)
            << label(isa, type) << ", " << rows << " rows";
      }
    }
  }
}

// Any number of tiles of a panel kernel, several blocks of columns, in place and not.
TEST(Matmul, AnyNumberOfOutputsOfManyRows) {
  ThreadPool pool(2);
  constexpr int64_t kColumns = 832, kRows = 40;
  const std::vector<float> in = random_floats(kRows * kColumns, 11);
  for (const StorageType type : {StorageType::bf16, StorageType::f32, StorageType::q8_0}) {
    for (const int64_t outputs : {16, 40, 48, 64, 83, 112}) {
      const RandomWeight w(type, outputs, kColumns, 12);
      const WeightSource source = w.source();
      const auto weight = pack_weight({&source, 1}, false, pool);
      const std::vector<float> base = random_floats(kRows * outputs, 13);
      for (const Isa isa : detect_isas()) {
        const std::vector<float> plain = run(isa, pool, *weight, in, kRows);
        expect_product(isa, w, in, kRows, plain.data(), outputs, label(isa, type));
        const std::vector<float> added = run(isa, pool, *weight, in, kRows, nullptr, base.data());
        for (size_t i = 0; i < plain.size(); ++i) ASSERT_EQ(added[i], base[i] + plain[i]);
      }
    }
  }
}

TEST(Matmul, FusedMatricesOfDifferentTypesAndTargets) {
  ThreadPool pool(2);
  const int64_t columns = 512;
  const RandomWeight q(StorageType::q4_k, 70, columns, 1);
  const RandomWeight k(StorageType::q6_k, 20, columns, 2);
  const RandomWeight v(StorageType::f16, 33, columns, 3);
  const RandomWeight up(StorageType::q2_k, 50, columns, 4);
  const RandomWeight gate(StorageType::bf16, 90, columns, 5);
  const WeightSource sources[] = {q.source("q"), k.source("k"), v.source("v")};
  const WeightSource up_source = up.source();
  const WeightSource gate_source = gate.source();
  const auto fused = pack_weight(sources, false, pool);
  const auto other = pack_weight({&up_source, 1}, false, pool);
  const auto third = pack_weight({&gate_source, 1}, false, pool);
  EXPECT_EQ(fused->rows(), 123);
  for (const Isa isa : detect_isas()) {
    for (const int64_t rows : {3, 25}) {
      const std::vector<float> in = random_floats(rows * columns, 9);
      std::vector<float> out(static_cast<size_t>(rows * 200), 7.0f);
      std::vector<float> gates(static_cast<size_t>(rows * 90));
      const MatmulTarget targets[] = {
          {fused.get(), nullptr, {out.data(), rows, 123, 200}, false},
          {other.get(), nullptr, {out.data() + 125, rows, 50, 200}, false},
          {third.get(), nullptr, {gates.data(), rows, 90, 90}, false}};
      matmul(isa, pool, {in.data(), rows, columns, columns}, targets);
      expect_product(isa, q, in, rows, out.data(), 200, "q");
      expect_product(isa, k, in, rows, out.data() + 70, 200, "k");
      expect_product(isa, v, in, rows, out.data() + 90, 200, "v");
      expect_product(isa, up, in, rows, out.data() + 125, 200, "up");
      expect_product(isa, gate, in, rows, gates.data(), 90, "gate");
      for (int64_t r = 0; r < rows; ++r) {  // the gaps are untouched
        for (const int64_t o : {123, 124, 175, 199}) {
          ASSERT_EQ(out[static_cast<size_t>(r * 200 + o)], 7.0f);
        }
      }
    }
  }
}

TEST(Matmul, AddsBiasAndResidual) {
  ThreadPool pool(2);
  const RandomWeight w(StorageType::q5_1, 45, 96, 3);
  const WeightSource source = w.source();
  const auto weight = pack_weight({&source, 1}, false, pool);
  const std::vector<float> bias = random_floats(45, 4);
  for (const Isa isa : detect_isas()) {
    for (const int64_t rows : {2, 19}) {
      const std::vector<float> in = random_floats(rows * 96, 5);
      const std::vector<float> base = random_floats(rows * 45, 6);
      const std::vector<float> plain = run(isa, pool, *weight, in, rows);
      const std::vector<float> both = run(isa, pool, *weight, in, rows, bias.data(), base.data());
      const std::vector<float> biased = run(isa, pool, *weight, in, rows, bias.data());
      for (size_t i = 0; i < plain.size(); ++i) {
        EXPECT_EQ(biased[i], plain[i] + bias[i % 45]);
        EXPECT_EQ(both[i], base[i] + (plain[i] + bias[i % 45]));
      }
    }
  }
}

TEST(Matmul, ExtremeActivations) {
  ThreadPool pool(1);
  const RandomWeight w(StorageType::q8_0, 16, 64, 3);
  const WeightSource source = w.source();
  const auto weight = pack_weight({&source, 1}, false, pool);
  const float infinity = std::numeric_limits<float>::infinity();
  for (const Isa isa : detect_isas()) {
    std::vector<float> in(8 * 64, 0.0f);
    for (int i = 0; i < 64; ++i) {
      in[static_cast<size_t>(i)] = 1e-38f * static_cast<float>(i % 3 - 1);
      in[static_cast<size_t>(64 + i)] = 3e38f;
    }
    in[2 * 64 + 5] = std::numeric_limits<float>::quiet_NaN();
    in[3 * 64 + 40] = -infinity;
    const std::vector<float> out = run(isa, pool, *weight, in, 8);
    for (size_t o = 0; o < 16; ++o) {
      EXPECT_EQ(out[o], 0.0f);
      EXPECT_FALSE(std::isfinite(out[2 * 16 + o]));
      EXPECT_FALSE(std::isfinite(out[3 * 16 + o]));
      EXPECT_EQ(out[4 * 16 + o], 0.0f);
    }
  }
}

TEST(Matmul, IsasWithFmaAgreeInBits) {
  const std::vector<Isa> isas = detect_isas();
  ThreadPool pool(1);
  for (const StorageType type : kAllStorageTypes) {
    const RandomWeight w(type, 40, 512, 3);
    const WeightSource source = w.source();
    const auto weight = pack_weight({&source, 1}, false, pool);
    const std::vector<float> in = random_floats(9 * 512, 5);
    std::vector<float> expected;
    for (const Isa isa : isas) {
      if (isa == Isa::generic || (isa == Isa::avx512_bf16 && type == StorageType::bf16)) continue;
      const std::vector<float> out = run(isa, pool, *weight, in, 9);
      if (expected.empty()) expected = out;
      EXPECT_EQ(out, expected) << label(isa, type);
    }
  }
}

TEST(DescribeMatmul, NamesArithmeticAndStorage) {
  EXPECT_EQ(describe_matmul(Isa::generic, StorageType::q4_1), "int8, 4-bit weights, groups of 32");
  EXPECT_EQ(describe_matmul(Isa::generic, StorageType::bf16), "float32, bfloat16 weights");
#if defined(__x86_64__)
  EXPECT_EQ(describe_matmul(Isa::avx512_vnni, StorageType::q6_k),
            "int8 VNNI, 6-bit weights, groups of 16");
  EXPECT_EQ(describe_matmul(Isa::avx_vnni, StorageType::q8_0),
            "int8 AVX-VNNI, 8-bit weights, groups of 32");
  EXPECT_EQ(describe_matmul(Isa::avx512_bf16, StorageType::bf16),
            "bfloat16 dot products, bfloat16 weights");
  EXPECT_EQ(describe_matmul(Isa::avx512_bf16, StorageType::f16), "float32 FMA, float16 weights");
#endif
}

TEST(InputBytes, IsThatOfTheWidestPart) {
  ThreadPool pool(1);
  const auto weight = [&pool](std::initializer_list<StorageType> types) {
    std::vector<RandomWeight> parts;
    for (const StorageType type : types) parts.emplace_back(type, 16, 256, 3);
    std::vector<WeightSource> sources;
    for (const RandomWeight& part : parts) sources.push_back(part.source());
    return pack_weight(sources, false, pool);
  };
  EXPECT_EQ(input_bytes(Isa::generic, *weight({StorageType::q4_k, StorageType::q8_0})), 1);
  EXPECT_EQ(input_bytes(Isa::generic, *weight({StorageType::q4_k, StorageType::bf16})), 4);
#if defined(__x86_64__)
  EXPECT_EQ(input_bytes(Isa::avx512_bf16, *weight({StorageType::q4_k, StorageType::bf16})), 2);
  EXPECT_EQ(input_bytes(Isa::avx512_bf16, *weight({StorageType::bf16, StorageType::f16})), 4);
#endif
}

TEST(PackWeight, NamesTheTensorAndRowOfANotFiniteValue) {
  ThreadPool pool(2);
  for (const StorageType type : kAllStorageTypes) {
    RandomWeight w(type, 40, 512, 3);
    const size_t row = static_cast<size_t>(row_bytes(type, 512));
    const auto [first, second] = half_fields(type);
    size_t at = 17 * row + static_cast<size_t>(second >= 0 ? second : first);
    if (type == StorageType::f32) at += 2;
    if (type == StorageType::mxfp4) {
      w.data[at] = std::byte{0xff};  // an exponent that is no number
    } else {
      w.data[at] = std::byte{0x80};
      const bool wide_exponent = type == StorageType::f32 || type == StorageType::bf16;
      w.data[at + 1] = wide_exponent ? std::byte{0x7f} : std::byte{0x7c};
    }
    const WeightSource source = w.source("blk.3.ffn_up.weight");
    try {
      static_cast<void>(pack_weight({&source, 1}, false, pool));
      ADD_FAILURE() << traits(type).name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::invalid_file);
      EXPECT_STREQ(error.what(),
                   "tensor blk.3.ffn_up.weight contains NaN or infinite values in row 17; the "
                   "file is damaged, fetch it again");
    }
  }
}

TEST(PackWeight, IsAboutAsCompactAsTheFile) {
  ThreadPool pool(1);
  for (const StorageType type : kAllStorageTypes) {
    const RandomWeight w(type, 64, 1024, 3);
    const WeightSource source = w.source();
    const auto weight = pack_weight({&source, 1}, false, pool);
    // MXFP4 is held in five bits, as the whole numbers from -12 to 12.
    const double most = type == StorageType::mxfp4 ? 1.30 : 1.06;
    EXPECT_LE(static_cast<double>(weight->bytes()), most * static_cast<double>(w.data.size()))
        << traits(type).name;
  }
}

TEST(PackWeight, GivesPagesOfTheFileBack) {
  ThreadPool pool(2);
  const RandomWeight w(StorageType::q6_k, 300, 1024, 3);
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "lazyllm_pack_weight_test.bin";
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(w.data.data()),
             static_cast<std::streamsize>(w.data.size()));
  const FileMapping file(path);
  WeightSource source = w.source();
  source.data = file.bytes();
  const auto weight = pack_weight({&source, 1}, true, pool);
  // Dropped pages are read again when they are touched.
  EXPECT_TRUE(std::equal(w.data.begin(), w.data.end(), file.bytes().begin()));
  const std::vector<float> in = random_floats(1024, 5);
  expect_product(Isa::generic, w, in, 1, run(Isa::generic, pool, *weight, in, 1).data(), 300,
                 "mapped");
  std::filesystem::remove(path);
}

TEST(PackWeight, RefusesShapesThatDoNotFit) {
  ThreadPool pool(1);
  const RandomWeight w(StorageType::q4_k, 4, 512, 3);
  for (const auto& [rows, columns] : {std::pair{5, 512}, {4, 500}, {0, 512}, {4, 768}}) {
    WeightSource source = w.source();
    source.rows = rows;
    source.columns = columns;
    EXPECT_THROW(static_cast<void>(pack_weight({&source, 1}, false, pool)), Error);
  }
}

TEST(Embed, NamesATableWithNaN) {
  ThreadPool pool(2);
  RandomWeight w(StorageType::f32, 4, 256, 3);
  w.data[2 * 1024 + 2] = std::byte{0x80};
  w.data[2 * 1024 + 3] = std::byte{0x7f};
  std::vector<float> out(256);
  const int32_t good[] = {1}, bad[] = {2};
  embed(pool, w.source(), good, 1.0f, {out.data(), 1, 256, 256});
  EXPECT_THROW(embed(pool, w.source(), bad, 1.0f, {out.data(), 1, 256, 256}), Error);
}

TEST(Embed, ScalesRowsOfTheTable) {
  ThreadPool pool(2);
  for (const StorageType type : kAllStorageTypes) {
    const RandomWeight w(type, 10, 256, 3);
    const int32_t tokens[] = {3, 0, 9, 3};
    std::vector<float> out(4 * 300, 7.0f);
    embed(pool, w.source(), tokens, 1.5f, {out.data(), 4, 256, 300});
    std::vector<float> row(256);
    for (size_t i = 0; i < 4; ++i) {
      dequantize_row(type, w.data.data() + tokens[i] * row_bytes(type, 256), 256, row.data());
      for (size_t k = 0; k < 256; ++k) EXPECT_EQ(out[i * 300 + k], row[k] * 1.5f);
      EXPECT_EQ(out[i * 300 + 256], 7.0f);
    }
  }
}

TEST(Embed, TakesColumnsThatEndWithinABlock) {
  ThreadPool pool(2);
  for (const StorageType type : kAllStorageTypes) {
    const RandomWeight w(type, 10, 768, 3);
    const int32_t tokens[] = {3, 9};
    std::vector<float> row(768);
    for (const auto& [first, columns] : {std::pair{0, 768}, {256, 256}, {260, 12}, {250, 300}}) {
      std::vector<float> out(2 * 800, 7.0f);
      embed(pool, w.source(), tokens, 0.5f, {out.data(), 2, columns, 800}, first);
      for (size_t i = 0; i < 2; ++i) {
        dequantize_row(type, w.data.data() + tokens[i] * row_bytes(type, 768), 768, row.data());
        for (int k = 0; k < columns; ++k) {
          EXPECT_EQ(out[i * 800 + static_cast<size_t>(k)],
                    row[static_cast<size_t>(first + k)] * 0.5f);
        }
        EXPECT_EQ(out[i * 800 + static_cast<size_t>(columns)], 7.0f);
      }
    }
  }
}

}  // namespace
}  // namespace lazyllm::kernels::cpu
