// SPDX-License-Identifier: Apache-2.0
// Caches and rows that share memory: who writes takes a copy, nobody else sees it.
#include <gtest/gtest.h>

#include <cstring>

#include "kernels/backend.h"
#include "lazy/hidden_rows.h"
#include "lazy/kv_cache.h"

namespace lazyllm::lazy {
namespace {

constexpr int kHiddenSize = 5;
constexpr int64_t kTokens = 150;  // two full blocks and a part of a third

class SharedMemoryTest : public testing::Test {
 protected:
  std::unique_ptr<kernels::Backend> backend_ = kernels::create_cpu_backend("generic", 1);
  kernels::KvLayout layout_{2, 4};

  KvCache filled_cache() const {
    KvCache cache(*backend_, layout_);
    for (int64_t token = 0; token < kTokens; ++token) cache.acquire(token);
    int value = 0;
    for (const auto& block : cache.blocks()) std::memset(block->data(), ++value, block->bytes());
    return cache;
  }

  HiddenRows filled_rows() const {
    HiddenRows rows(*backend_, kHiddenSize);
    for (int64_t token = 0; token < kTokens; ++token) {
      rows.acquire(token)[0] = static_cast<float>(token);
    }
    return rows;
  }
};

TEST_F(SharedMemoryTest, CacheSharesUntilItWrites) {
  const KvCache first = filled_cache();
  KvCache second(*backend_, layout_);
  second.share_prefix(first, 140);
  ASSERT_EQ(second.blocks().size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(second.blocks()[i], first.blocks()[i]);
  EXPECT_EQ(second.slot(139), 139);
  EXPECT_EQ(second.slot(140), KvCache::kNoSlot);

  EXPECT_EQ(second.acquire(7), 7) << "a token that is there is only read";
  EXPECT_EQ(second.blocks()[0], first.blocks()[0]);

  EXPECT_EQ(second.acquire(140), 140) << "its block holds tokens of the first cache too";
  EXPECT_NE(second.blocks()[2], first.blocks()[2]);
  EXPECT_EQ(std::memcmp(second.blocks()[2]->data(), first.blocks()[2]->data(),
                        first.blocks()[2]->bytes()),
            0);
  EXPECT_EQ(second.blocks()[1], first.blocks()[1]);
  const void* const own = second.blocks()[2]->data();
  second.acquire(141);
  EXPECT_EQ(second.blocks()[2]->data(), own) << "one copy is enough";
}

TEST_F(SharedMemoryTest, CacheOutlivesTheOneItSharesWith) {
  auto first = std::make_unique<KvCache>(filled_cache());
  KvCache second(*backend_, layout_);
  second.share_prefix(*first, kTokens);
  first.reset();
  EXPECT_EQ(static_cast<const char*>(second.blocks()[1]->data())[0], 2);
}

TEST_F(SharedMemoryTest, TruncatedCacheTakesACopyBeforeItWritesAgain) {
  const KvCache first = filled_cache();
  KvCache second(*backend_, layout_);
  second.share_prefix(first, kTokens);
  second.truncate(70);
  EXPECT_EQ(second.blocks().size(), 2u);
  EXPECT_EQ(second.acquire(70), 70);
  EXPECT_NE(second.blocks()[1], first.blocks()[1]);
}

TEST_F(SharedMemoryTest, NothingIsLeftOfACacheWhoseTokensCameOutOfOrder) {
  KvCache second(*backend_, layout_);
  for (const int64_t token : {0, 5, 9, 3, 10}) second.acquire(token);  // 3 came back late
  second.truncate(0);
  EXPECT_TRUE(second.blocks().empty());
  const KvCache first = filled_cache();
  second.share_prefix(first, 140);
  EXPECT_EQ(second.acquire(140), 140) << "and no slot that was free before";
}

TEST_F(SharedMemoryTest, RowsShareUntilOneIsWritten) {
  const HiddenRows first = filled_rows();
  HiddenRows second(*backend_, kHiddenSize);
  second.acquire(5);
  second.release(5);  // empty again, as a sequence that was cut to nothing
  second.share_prefix(first, 140);
  EXPECT_TRUE(second.has(139));
  EXPECT_FALSE(second.has(140));
  EXPECT_EQ(second.row(100), first.row(100));

  second.acquire(100)[0] = -1.0f;
  EXPECT_EQ(first.row(100)[0], 100.0f);
  EXPECT_EQ(second.row(100)[0], -1.0f);
  EXPECT_EQ(second.row(101)[0], 101.0f) << "neighbours moved along";
  EXPECT_EQ(second.row(10), first.row(10)) << "other chunks did not";

  for (int64_t token = 0; token < 140; ++token) second.release(token);
  EXPECT_EQ(second.bytes(), 0u);
  EXPECT_EQ(first.row(10)[0], 10.0f);
}

TEST_F(SharedMemoryTest, CopyOfRowsHasNoSpareChunkInCommon) {
  HiddenRows first(*backend_, kHiddenSize);
  first.acquire(0)[0] = 1.0f;
  first.release(0);  // the chunk is spare now
  HiddenRows second = first;
  first.acquire(0)[0] = 2.0f;
  second.acquire(0)[0] = 3.0f;
  EXPECT_EQ(first.row(0)[0], 2.0f);

  HiddenRows third = first;
  third.acquire(0)[0] = 4.0f;
  EXPECT_EQ(first.row(0)[0], 2.0f);
  EXPECT_EQ(third.bytes(), first.bytes());
}

}  // namespace
}  // namespace lazyllm::lazy
