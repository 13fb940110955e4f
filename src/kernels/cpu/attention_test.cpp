// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/float16.h"
#include "kernels/backend.h"

namespace lazyllm::kernels {
namespace {

struct Shape {
  int heads = 3;
  int kv_heads = 1;
  int head_dim = 64;
  int rows = 5;
  int keys = 100;
  int window = 0;  // 0: all keys before the row
  float soft_cap = 0.0f;
  CacheType k_type = CacheType::f16;
  CacheType v_type = CacheType::f16;
  bool sinks = false;
};

float rounded_to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

/// A cache filled through append_kv, in random slots, with NaN everywhere else.
class Problem {
 public:
  Problem(const Backend& backend, const Shape& shape, uint32_t seed) : shape_(shape) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    const auto fill = [&](std::vector<float>& values, size_t count, float factor) {
      values.resize(count);
      for (float& x : values) x = factor * normal(random);
    };
    const int kv_columns = shape.kv_heads * shape.head_dim;
    fill(queries_, size_t(shape.rows) * size_t(shape.heads * shape.head_dim), 1.5f);
    fill(k_, size_t(shape.keys) * size_t(kv_columns), 1.0f);
    fill(v_, size_t(shape.keys) * size_t(kv_columns), 1.0f);
    fill(sinks_, size_t(shape.heads), 4.0f);
    sinks_[0] = 300.0f;  // one that takes all

    layout_ = {shape.kv_heads, shape.head_dim, shape.k_type, shape.v_type};
    const int blocks = shape.keys / kKvBlockSlots + 2;
    for (int b = 0; b < blocks; ++b) {
      memory_.emplace_back(layout_.block_bytes(), std::byte{0xff});  // NaN in every type
    }
    for (auto& block : memory_) pointers_.push_back(block.data());
    std::vector<int32_t> all(size_t(blocks) * kKvBlockSlots);
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int32_t>(i);
    std::shuffle(all.begin(), all.end(), random);
    slots_.assign(all.begin(), all.begin() + shape.keys);
    backend.append_kv(cache(), slots_, {k_.data(), shape.keys, kv_columns, kv_columns},
                      {v_.data(), shape.keys, kv_columns, kv_columns});

    // Rows stand anywhere among the keys, rising; the last one sees the last key.
    std::uniform_int_distribution<int> place(1, shape.keys);
    for (int r = 0; r < shape.rows; ++r) end_.push_back(place(random));
    end_.back() = shape.keys;
    std::sort(end_.begin(), end_.end());
    for (const int32_t end : end_) {
      first_.push_back(shape.window == 0 ? 0 : std::max(0, end - shape.window));
    }
  }

  KvLayerView cache() const { return {layout_, pointers_}; }

  AttentionInput input(int first_row, int rows) const {
    const int columns = shape_.heads * shape_.head_dim;
    AttentionInput in;
    in.queries = {queries_.data() + int64_t{first_row} * columns, rows, columns, columns};
    in.heads = shape_.heads;
    in.first_key = std::span(first_).subspan(size_t(first_row), size_t(rows));
    in.end_key = std::span(end_).subspan(size_t(first_row), size_t(rows));
    in.cache = cache();
    in.key_slots = slots_;
    in.scale = 1.0f / std::sqrt(static_cast<float>(shape_.head_dim));
    in.soft_cap = shape_.soft_cap;
    if (shape_.sinks) in.sinks = sinks_.data();
    return in;
  }
  AttentionInput input() const { return input(0, shape_.rows); }

  std::vector<float> attend(const Backend& backend, const AttentionInput& in) const {
    const int64_t columns = shape_.heads * shape_.head_dim;
    std::vector<float> out(size_t(in.queries.rows * columns), -1.0f);
    backend.attention(in, {out.data(), in.queries.rows, columns, columns});
    return out;
  }

  // One stored value, decoded without the code under test.
  double stored(bool value, int key, int kv_head, int d, bool bf16) const {
    const double x = stored(value, key, kv_head, d);
    return bf16 ? static_cast<double>(rounded_to_bf16(static_cast<float>(x))) : x;
  }
  double stored(bool value, int key, int kv_head, int d) const {
    const auto slot = static_cast<size_t>(slots_[size_t(key)]);
    const int index = static_cast<int>(slot % kKvBlockSlots);
    const std::byte* row =
        memory_[slot / kKvBlockSlots].data() +
        (value ? layout_.value_offset(kv_head, index) : layout_.key_offset(kv_head, index));
    const CacheType type = value ? layout_.v_type : layout_.k_type;
    if (type == CacheType::f32) {
      float x;
      std::memcpy(&x, row + 4 * d, 4);
      return x;
    }
    uint16_t half;
    if (type == CacheType::f16) {
      std::memcpy(&half, row + 2 * d, 2);
      return half_to_float(half);
    }
    std::memcpy(&half, row + d / 32 * 34, 2);
    return half_to_float(half) *
           static_cast<double>(static_cast<int8_t>(row[d / 32 * 34 + 2 + d % 32]));
  }

  // A query's element as the kernels take it: in BF16 it is scaled before it is rounded.
  double query(int row, int head, int d, bool bf16) const {
    const float q = queries_[size_t((row * shape_.heads + head) * shape_.head_dim + d)];
    if (!bf16) return static_cast<double>(q);
    const double scale = static_cast<double>(input().scale);
    const auto factor =
        static_cast<float>(shape_.soft_cap > 0.0f ? scale / static_cast<double>(shape_.soft_cap)
                                                  : scale * std::log2(std::exp(1.0)));
    return static_cast<double>(rounded_to_bf16(q * factor)) / static_cast<double>(factor);
  }

  // Scores of one row and head over all keys: products, or probabilities.
  std::vector<double> scores(int row, int head, bool probabilities, bool bf16 = false) const {
    std::vector<double> result(size_t(shape_.keys), 0.0);
    const int kv_head = head / (shape_.heads / shape_.kv_heads);
    double largest = -1e300;
    for (int key = first_[size_t(row)]; key < end_[size_t(row)]; ++key) {
      double s = 0;
      for (int d = 0; d < shape_.head_dim; ++d) {
        s += query(row, head, d, bf16) * stored(false, key, kv_head, d, bf16);
      }
      if (probabilities) {
        s /= std::sqrt(static_cast<double>(shape_.head_dim));
        if (shape_.soft_cap > 0) s = shape_.soft_cap * std::tanh(s / shape_.soft_cap);
      }
      result[size_t(key)] = s;
      largest = std::max(largest, s);
    }
    if (!probabilities) return result;
    double sum = shape_.sinks ? std::exp(static_cast<double>(sinks_[size_t(head)]) - largest) : 0;
    for (int key = first_[size_t(row)]; key < end_[size_t(row)]; ++key) {
      sum += result[size_t(key)] = std::exp(result[size_t(key)] - largest);
    }
    for (double& p : result) p /= sum;
    return result;
  }

  struct Expected {
    double value;
    double bound;  ///< of the error
  };
  /// bf16: operands are rounded to BF16. Of these only the weights' rounding is not repeated here,
  /// so it stands in the bound: 2^-8 of each.
  std::vector<Expected> expected(bool bf16) const {
    std::vector<Expected> out;
    for (int row = 0; row < shape_.rows; ++row) {
      for (int head = 0; head < shape_.heads; ++head) {
        const std::vector<double> p = scores(row, head, true, bf16);
        for (int d = 0; d < shape_.head_dim; ++d) {
          double sum = 0, magnitude = 0;
          for (int key = first_[size_t(row)]; key < end_[size_t(row)]; ++key) {
            const int kv_head = head / (shape_.heads / shape_.kv_heads);
            const double product = p[size_t(key)] * stored(true, key, kv_head, d, bf16);
            sum += product;
            magnitude += std::abs(product);
          }
          out.push_back({sum, 5e-6 + (bf16 ? magnitude / 256 : 0.0)});
        }
      }
    }
    return out;
  }

  double value_size(int head, size_t key) const {
    const int kv_head = head / (shape_.heads / shape_.kv_heads);
    double sum = 0;
    for (int d = 0; d < shape_.head_dim; ++d) {
      sum += std::abs(stored(true, static_cast<int>(key), kv_head, d));
    }
    return sum;
  }

  /// `weights` by head; empty: the mean (of a peak: all alike).
  std::vector<double> expected_scores(ScoreKind kind, std::span<const float> weights = {}) const {
    std::vector<double> mean(size_t(shape_.keys), 0.0), peak(size_t(shape_.keys), 0.0);
    for (int row = 0; row < shape_.rows; ++row) {
      for (int head = 0; head < shape_.heads; ++head) {
        const double share = weights.empty() ? 1.0 / shape_.heads : weights[size_t(head)];
        const double weight = weights.empty() ? 1.0 : weights[size_t(head)];
        const std::vector<double> p = scores(row, head, kind != ScoreKind::dot);
        for (size_t i = 0; i < p.size(); ++i) {
          const double size = kind == ScoreKind::value ? value_size(head, i) : 1.0;
          mean[i] += p[i] * size * share / shape_.rows;
          peak[i] = std::max(peak[i], p[i] * weight);
        }
      }
    }
    return kind == ScoreKind::peak ? peak : mean;
  }

  /// [kv_heads][keys], from the `count` queries of each head that are least like its mean.
  std::vector<double> expected_similarities(int count) const {
    const int group = shape_.heads / shape_.kv_heads;
    std::vector<double> best(size_t(shape_.kv_heads * shape_.keys), -1e300);
    for (int kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
      std::vector<std::vector<double>> sums(size_t(std::min(count, shape_.rows)),
                                            std::vector<double>(size_t(shape_.head_dim), 0.0));
      for (int head = kv_head * group; head < (kv_head + 1) * group; ++head) {
        add_representatives(head, sums);
      }
      for (int key = 0; key < shape_.keys; ++key) {
        double& top = best[size_t(kv_head * shape_.keys + key)];
        for (const std::vector<double>& sum : sums) {
          double product = 0, square = 0;
          for (int d = 0; d < shape_.head_dim; ++d) {
            product += sum[size_t(d)] * stored(false, key, kv_head, d);
            square += std::pow(stored(false, key, kv_head, d), 2);
          }
          top = std::max(top, product / std::sqrt(square));
        }
      }
    }
    return best;
  }

  const Shape& shape() const { return shape_; }

 private:
  /// sums[i] += the head's query that is i-th least like its mean, at length 1.
  void add_representatives(int head, std::vector<std::vector<double>>& sums) const {
    std::vector<std::pair<double, int>> likeness;
    for (int row = 0; row < shape_.rows; ++row) {
      double with_mean = 0, square = 0;
      for (int d = 0; d < shape_.head_dim; ++d) {
        double mean = 0;
        for (int other = 0; other < shape_.rows; ++other) mean += query(other, head, d, false);
        with_mean += query(row, head, d, false) * mean;
        square += std::pow(query(row, head, d, false), 2);
      }
      likeness.emplace_back(with_mean / std::sqrt(square), row);
    }
    std::sort(likeness.begin(), likeness.end());
    for (size_t i = 0; i < sums.size(); ++i) {
      double square = 0;
      for (int d = 0; d < shape_.head_dim; ++d) {
        square += std::pow(query(likeness[i].second, head, d, false), 2);
      }
      for (int d = 0; d < shape_.head_dim; ++d) {
        sums[i][size_t(d)] += query(likeness[i].second, head, d, false) / std::sqrt(square);
      }
    }
  }

  Shape shape_;
  KvLayout layout_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<std::byte*> pointers_;
  std::vector<float> queries_, k_, v_, sinks_;
  std::vector<int32_t> slots_, first_, end_;
};

std::vector<Shape> shapes() {
  std::vector<Shape> all = {
      {.heads = 1, .kv_heads = 1, .head_dim = 6, .rows = 3, .keys = 7},
      {.heads = 3, .kv_heads = 3, .head_dim = 20, .rows = 1, .keys = 1},
      {.heads = 9, .kv_heads = 3, .head_dim = 64, .rows = 70, .keys = 333},
      {.heads = 8, .kv_heads = 2, .head_dim = 80, .rows = 40, .keys = 700, .window = 130},
      {.heads = 8, .kv_heads = 1, .head_dim = 96, .rows = 33, .keys = 257, .soft_cap = 5.0f},
      {.heads = 4, .kv_heads = 1, .head_dim = 256, .rows = 9, .keys = 600, .window = 64},
      {.heads = 32, .kv_heads = 4, .head_dim = 64, .rows = 2, .keys = 1025},
      {.heads = 2, .kv_heads = 2, .head_dim = 128, .rows = 200, .keys = 256},
      {.heads = 4, .kv_heads = 4, .head_dim = 34, .rows = 17, .keys = 64, .window = 1},
      {.heads = 8, .kv_heads = 2, .head_dim = 64, .rows = 40, .keys = 700, .sinks = true},
      {.heads = 8,
       .kv_heads = 2,
       .head_dim = 64,
       .rows = 1,
       .keys = 900,
       .window = 128,
       .sinks = true},
  };
  const CacheType types[] = {CacheType::f16, CacheType::f32, CacheType::q8_0};
  for (const CacheType k : types) {
    for (const CacheType v : types) {
      all.push_back({.heads = 6,
                     .kv_heads = 2,
                     .head_dim = 32,
                     .rows = 20,
                     .keys = 150,
                     .soft_cap = 20.0f,
                     .k_type = k,
                     .v_type = v});
    }
  }
  return all;
}

class AttentionTest : public testing::TestWithParam<std::string> {};

TEST_P(AttentionTest, MatchesTheOracle) {
  const auto backend = create_cpu_backend(GetParam(), 2);
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(testing::Message() << "head_dim " << shape.head_dim << " keys " << shape.keys);
    const Problem problem(*backend, shape, 1);
    const std::vector<float> out = problem.attend(*backend, problem.input());
    const bool float_cache = shape.k_type == CacheType::f32 || shape.v_type == CacheType::f32;
    const auto expected = problem.expected(GetParam() == "avx512-bf16" && !float_cache);
    for (size_t i = 0; i < out.size(); ++i) {
      ASSERT_NEAR(out[i], expected[i].value, expected[i].bound) << i;
    }
  }
}

TEST_P(AttentionTest, ScoresMatchTheOracle) {
  const auto backend = create_cpu_backend(GetParam(), 2);
  for (const Shape& shape : shapes()) {
    for (const ScoreKind kind :
         {ScoreKind::probability, ScoreKind::peak, ScoreKind::value, ScoreKind::dot}) {
      const Problem problem(*backend, shape, 2);
      std::vector<float> scores(size_t(shape.keys), -1.0f);
      backend->attention_scores(problem.input(), kind, scores);
      const std::vector<double> expected = problem.expected_scores(kind);
      for (size_t i = 0; i < scores.size(); ++i) {
        ASSERT_NEAR(scores[i], expected[i],
                    kind == ScoreKind::dot     ? 2e-5
                    : kind == ScoreKind::value ? 1e-5 + 2e-5 * expected[i]
                                               : 1e-6)
            << i;
      }
      for (int threads = 1; threads <= 4; ++threads) {
        const auto other = create_cpu_backend(GetParam(), threads);
        std::vector<float> again(size_t(shape.keys));
        other->attention_scores(problem.input(), kind, again);
        ASSERT_EQ(0, std::memcmp(again.data(), scores.data(), 4 * scores.size())) << threads;
      }
    }
  }
}

TEST_P(AttentionTest, ScoresOfChosenHeadsMatchTheOracle) {
  const auto backend = create_cpu_backend(GetParam(), 2);
  for (const Shape& shape : shapes()) {
    const Problem problem(*backend, shape, 2);
    for (int chosen = 0; chosen < shape.heads; ++chosen) {
      std::vector<float> weights(size_t(shape.heads), 0.0f);
      weights[size_t(chosen)] = 0.75f;
      weights[size_t((chosen + 2) % shape.heads)] += 1.5f;
      AttentionInput input = problem.input();
      input.head_weights = weights;
      std::vector<float> scores(size_t(shape.keys), -1.0f);
      for (const ScoreKind kind : {ScoreKind::probability, ScoreKind::peak, ScoreKind::value}) {
        backend->attention_scores(input, kind, scores);
        const std::vector<double> expected = problem.expected_scores(kind, weights);
        const double bound = kind == ScoreKind::value ? 5e-5 : 5e-6;
        for (size_t i = 0; i < scores.size(); ++i) {
          ASSERT_NEAR(scores[i], expected[i], bound * std::max(1.0, expected[i])) << i;
        }
      }
    }
    const std::vector<float> none(size_t(shape.heads), 0.0f);
    AttentionInput input = problem.input();
    input.head_weights = none;
    std::vector<float> scores(size_t(shape.keys), -1.0f);
    backend->attention_scores(input, ScoreKind::probability, scores);
    for (const float score : scores) ASSERT_EQ(score, 0.0f);
  }
}

// A row has the same bits in any company, by any number of threads.
TEST_P(AttentionTest, RowsDoNotDependOnOthers) {
  for (const Shape& shape : shapes()) {
    const auto one = create_cpu_backend(GetParam(), 1);
    const Problem problem(*one, shape, 3);
    const std::vector<float> whole = problem.attend(*one, problem.input());
    const size_t columns = size_t(shape.heads * shape.head_dim);
    for (int threads = 1; threads <= 4; ++threads) {
      const auto backend = create_cpu_backend(GetParam(), threads);
      for (const int step : {1, 3, 7, 50, shape.rows}) {
        for (int row = 0; row < shape.rows; row += step) {
          const int rows = std::min(step, shape.rows - row);
          const std::vector<float> part = problem.attend(*backend, problem.input(row, rows));
          ASSERT_EQ(0,
                    std::memcmp(part.data(), whole.data() + size_t(row) * columns, 4 * part.size()))
              << "rows " << row << " + " << rows << ", threads " << threads << ", head_dim "
              << shape.head_dim;
        }
        if (step >= shape.rows) break;
      }
    }
  }
}

TEST_P(AttentionTest, SimilaritiesMatchTheOracle) {
  for (const Shape& shape : shapes()) {
    SCOPED_TRACE(testing::Message() << "head_dim " << shape.head_dim << " keys " << shape.keys);
    std::vector<float> first;
    for (int threads = 1; threads <= 3; ++threads) {
      const auto backend = create_cpu_backend(GetParam(), threads);
      const Problem problem(*backend, shape, 5);
      const AttentionInput in = problem.input();
      std::vector<float> scores(size_t(shape.kv_heads * shape.keys), -9.0f);
      backend->key_similarities({.queries = in.queries,
                                 .heads = in.heads,
                                 .cache = in.cache,
                                 .key_slots = in.key_slots,
                                 .representatives = 4},
                                scores);
      if (threads > 1) {
        ASSERT_EQ(first, scores);
        continue;
      }
      first = scores;
      const std::vector<double> expected = problem.expected_similarities(4);
      for (size_t i = 0; i < scores.size(); ++i) ASSERT_NEAR(scores[i], expected[i], 2e-5) << i;
    }
  }
}

TEST_P(AttentionTest, EachHeadMayHaveAListOfItsOwn) {
  const auto backend = create_cpu_backend(GetParam(), 2);
  for (const Shape& shape : shapes()) {
    const Problem problem(*backend, shape, 6);
    const AttentionInput shared = problem.input();
    // Every K,V head's list is another turn of the keys; alone, each head has that one.
    AttentionInput own = shared;
    std::vector<int32_t> lists;
    for (int head = 0; head < shape.kv_heads; ++head) {
      std::vector<int32_t> list(shared.key_slots.begin(), shared.key_slots.end());
      std::rotate(list.begin(), list.begin() + head * 5 % shape.keys, list.end());
      lists.insert(lists.end(), list.begin(), list.end());
    }
    own.key_slots = lists;
    own.list_stride = shape.keys;
    const std::vector<float> out = problem.attend(*backend, own);
    const int group_columns = shape.heads / shape.kv_heads * shape.head_dim;
    for (int head = 0; head < shape.kv_heads; ++head) {
      AttentionInput one = shared;
      one.key_slots =
          std::span(lists).subspan(size_t(head) * size_t(shape.keys), size_t(shape.keys));
      const std::vector<float> expected = problem.attend(*backend, one);
      for (int row = 0; row < shape.rows; ++row) {
        const size_t at = size_t(row * shape.heads * shape.head_dim + head * group_columns);
        ASSERT_EQ(0, std::memcmp(out.data() + at, expected.data() + at, 4 * size_t(group_columns)));
      }
    }
  }
}

// The key list may go on after what a row sees.
TEST_P(AttentionTest, UnseenKeysChangeNothing) {
  const auto backend = create_cpu_backend(GetParam(), 2);
  for (const Shape& shape : shapes()) {
    const Problem problem(*backend, shape, 4);
    for (int row = 0; row < shape.rows; row += 5) {
      AttentionInput in = problem.input(row, 1);
      const std::vector<float> with_all = problem.attend(*backend, in);
      in.key_slots = in.key_slots.first(size_t(in.end_key[0]));
      const std::vector<float> with_seen = problem.attend(*backend, in);
      ASSERT_EQ(0, std::memcmp(with_all.data(), with_seen.data(), 4 * with_all.size()));
    }
  }
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string text = info.param;
  std::replace(text.begin(), text.end(), '-', '_');
  return text;
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionTest, testing::ValuesIn(available_isas()), test_name);

}  // namespace
}  // namespace lazyllm::kernels
