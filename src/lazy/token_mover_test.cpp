// SPDX-License-Identifier: Apache-2.0
#include "lazy/token_mover.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "base/error.h"
#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"

namespace lazyllm::lazy {
namespace {

using kernels::CacheType;

std::vector<int32_t> some_tokens(int count, int seed) {
  std::mt19937 random(static_cast<unsigned>(seed));
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % 64);
  return tokens;
}

Sequence computed(const TinyModel& model, CacheTypes types, std::span<const int32_t> tokens,
                  int depth) {
  Sequence sequence(model.transformer(), types);
  const std::unique_ptr<Policy> dense = make_dense_policy();
  StepRequest request;
  request.new_tokens = tokens;
  request.stop_depth = depth;
  Stepper(model.transformer()).step(sequence, *dense, request);
  return sequence;
}

Snapshot snapshot_of(const TinyModel& model, Sequence sequence, int depth) {
  Snapshot snapshot(model.transformer(), depth);
  snapshot.record(sequence);
  snapshot.take(std::move(sequence));
  return snapshot;
}

std::span<const std::byte> bytes_of(const Sequence& sequence, int layer, int64_t token, bool key) {
  const kernels::KvLayerView view = sequence.kv(layer).view();
  const auto slot = static_cast<size_t>(sequence.kv(layer).slot(token));
  const int index = static_cast<int>(slot % kernels::kKvBlockSlots);
  const size_t offset = key ? view.layout.key_offset(1, index) : view.layout.value_offset(1, index);
  return {view.blocks[slot / kernels::kKvBlockSlots] + offset,
          key ? view.layout.k_row_bytes() : view.layout.v_row_bytes()};
}

/// What a token has in the first layer depends on itself and its place alone, so what is moved
/// there must be what is computed there.
TEST(TokenMover, KeysAreThoseOfTheirNewPlace) {
  const TinyModel model({.head_dim = 32});
  const CacheTypes types{CacheType::f32, CacheType::f32};
  const std::vector<int32_t> document = some_tokens(90, 1), before = some_tokens(133, 2);
  std::vector<int32_t> whole = before;
  whole.insert(whole.end(), document.begin(), document.end());
  const Sequence there = computed(model, types, whole, 1);
  const Snapshot alone = snapshot_of(model, computed(model, types, document, 1), 1);
  const Snapshot late = snapshot_of(model, computed(model, types, whole, 1), 1);

  const auto expect_near = [](const Sequence& moved, int64_t token, const Sequence& wanted,
                              int64_t same) {
    for (const bool key : {true, false}) {
      const auto got = bytes_of(moved, 0, token, key), exact = bytes_of(wanted, 0, same, key);
      for (size_t i = 0; i < got.size() / sizeof(float); ++i) {
        float a, b;
        std::memcpy(&a, got.data() + 4 * i, 4);
        std::memcpy(&b, exact.data() + 4 * i, 4);
        if (key) {
          ASSERT_NEAR(a, b, 2e-5) << "token " << token;
        } else {
          ASSERT_EQ(a, b);
        }
      }
    }
  };
  TokenMover mover(model.transformer());
  Sequence later(model.transformer(), types);
  later.append(whole);
  mover.move(alone, 5, 90, later, 133 + 5);
  Sequence sooner(model.transformer(), types);
  sooner.append(document);
  mover.move(late, 133, 133 + 90, sooner, 0);
  const Sequence first = computed(model, types, document, 1);
  for (int64_t i = 0; i < 90; ++i) {
    if (i >= 5) expect_near(later, 133 + i, there, 133 + i);
    expect_near(sooner, i, first, i);
    EXPECT_EQ(sooner.depth(i), 1);
  }
  EXPECT_EQ(later.depth(133 + 4), 0);
  EXPECT_EQ(later.kv(0).slot(133 + 4), KvCache::kNoSlot);
}

TEST(TokenMover, InItsPlaceEveryByteStays) {
  const TinyModel model({.head_dim = 32});
  const std::vector<int32_t> tokens = some_tokens(80, 3);
  for (const CacheType type : {CacheType::f16, CacheType::f32, CacheType::q8_0}) {
    const CacheTypes types{type, type};
    const Sequence there = computed(model, types, tokens, 3);
    const Snapshot snapshot = snapshot_of(model, computed(model, types, tokens, 3), 3);
    Sequence moved(model.transformer(), types);
    moved.append(tokens);
    TokenMover(model.transformer()).move(snapshot, 0, 80, moved, 0);
    for (int64_t token = 0; token < 80; ++token) {
      for (int layer = 0; layer < 3; ++layer) {
        for (const bool key : {true, false}) {
          const auto a = bytes_of(moved, layer, token, key), b = bytes_of(there, layer, token, key);
          ASSERT_TRUE(std::equal(a.begin(), a.end(), b.begin()));
        }
      }
      ASSERT_EQ(0, std::memcmp(moved.hidden(there.depth(token)).row(token),
                               there.hidden(there.depth(token)).row(token), 32 * 4));
    }
  }
}

TEST(TokenMover, RefusesOtherTokens) {
  const TinyModel model({});
  const std::vector<int32_t> tokens = some_tokens(20, 4), others = some_tokens(20, 5);
  const Snapshot snapshot = snapshot_of(model, computed(model, {}, tokens, 2), 2);
  Sequence sequence(model.transformer(), {});
  sequence.append(others);
  EXPECT_THROW(TokenMover(model.transformer()).move(snapshot, 0, 20, sequence, 0), Error);
}

}  // namespace
}  // namespace lazyllm::lazy
