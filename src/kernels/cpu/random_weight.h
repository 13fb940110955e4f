// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "base/float16.h"
#include "base/storage_type.h"
#include "kernels/backend.h"

// Random matrices of any storage type, for tests and benchmarks.
namespace lazyllm::kernels::cpu {

inline constexpr StorageType kAllStorageTypes[] = {
    StorageType::f32,  StorageType::f16,    StorageType::bf16,   StorageType::q4_0,
    StorageType::q4_1, StorageType::q5_0,   StorageType::q5_1,   StorageType::q8_0,
    StorageType::q2_k, StorageType::q3_k,   StorageType::q4_k,   StorageType::q5_k,
    StorageType::q6_k, StorageType::iq4_nl, StorageType::iq4_xs, StorageType::mxfp4};

/// Byte offsets of the f16 fields of a block; -1: none.
inline std::pair<int, int> half_fields(StorageType type) {
  switch (type) {
    case StorageType::q4_1:
    case StorageType::q5_1:
    case StorageType::q4_k:
    case StorageType::q5_k:
      return {0, 2};
    case StorageType::q2_k:
      return {80, 82};
    case StorageType::q3_k:
      return {108, -1};
    case StorageType::q6_k:
      return {208, -1};
    default:
      return {0, -1};
  }
}

struct RandomWeight {
  StorageType type;
  int64_t rows;
  int64_t columns;
  std::vector<std::byte> data;

  RandomWeight(StorageType t, int64_t r, int64_t c, uint32_t seed) : type(t), rows(r), columns(c) {
    std::mt19937 random(seed);
    std::uniform_real_distribution<float> uniform(-1.0f, 1.0f);
    data.resize(static_cast<size_t>(rows * row_bytes(type, columns)));
    const auto put_half = [&](size_t at, uint16_t bits) {
      data[at] = static_cast<std::byte>(bits & 255);
      data[at + 1] = static_cast<std::byte>(bits >> 8);
    };
    if (type == StorageType::f32) {
      auto* values = reinterpret_cast<float*>(data.data());
      for (int64_t i = 0; i < rows * columns; ++i) values[i] = uniform(random);
      return;
    }
    if (type == StorageType::f16 || type == StorageType::bf16) {
      for (size_t at = 0; at < data.size(); at += 2) {
        const float value = uniform(random);
        put_half(at, type == StorageType::f16
                         ? float_to_half(value)
                         : static_cast<uint16_t>(std::bit_cast<uint32_t>(value) >> 16));
      }
      return;
    }
    for (std::byte& b : data) b = static_cast<std::byte>(random());
    const auto [first, second] = half_fields(type);
    const auto block = static_cast<size_t>(traits(type).block_bytes);
    for (size_t at = 0; at < data.size(); at += block) {
      if (type == StorageType::mxfp4) {  // the exponent of a power of two
        data[at] = static_cast<std::byte>(116 + random() % 6);
        continue;
      }
      put_half(at + static_cast<size_t>(first), float_to_half(uniform(random) * 0.01f));
      if (second >= 0) {
        put_half(at + static_cast<size_t>(second), float_to_half(uniform(random) * 0.1f));
      }
    }
  }

  WeightSource source(std::string name = "random") const {
    return {std::move(name), type, rows, columns, data};
  }
};

}  // namespace lazyllm::kernels::cpu
