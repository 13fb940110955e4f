// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <numeric>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

namespace lazyllm::evaluation {

/// Draws that are the same with every compiler, which those of <random> are not.
class Random {
 public:
  /// `name` tells apart what is drawn from one seed.
  Random(uint64_t seed, std::string_view name) : engine_(seed ^ fnv1a(name)) {}

  /// 0 .. count-1; count at least 1.
  uint64_t below(uint64_t count) {
    const uint64_t limit = UINT64_MAX - UINT64_MAX % count;  // no value is likelier than another
    uint64_t value = engine_();
    while (value >= limit) value = engine_();
    return value % count;
  }
  int64_t between(int64_t first, int64_t last) {
    return first + static_cast<int64_t>(below(static_cast<uint64_t>(last - first) + 1));
  }
  template <typename T>
  const T& choice(const std::vector<T>& values) {
    return values[below(values.size())];
  }
  template <typename T>
  void shuffle(std::vector<T>& values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  /// `wanted` different numbers of 0 .. count-1, in random order.
  std::vector<size_t> sample(size_t count, size_t wanted) {
    std::vector<size_t> all(count);
    std::iota(all.begin(), all.end(), size_t{0});
    for (size_t i = 0; i < wanted; ++i) std::swap(all[i], all[i + below(count - i)]);
    all.resize(wanted);
    return all;
  }

 private:
  static uint64_t fnv1a(std::string_view text) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return hash;
  }
  std::mt19937_64 engine_;
};

}  // namespace lazyllm::evaluation
