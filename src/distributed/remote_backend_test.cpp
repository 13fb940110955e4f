// SPDX-License-Identifier: Apache-2.0
#include "distributed/remote_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <random>
#include <thread>

#include "distributed/memory_transport_for_tests.h"
#include "distributed/rank_group.h"
#include "formats/gguf_writer.h"
#include "lazyllm/error.h"

namespace lazyllm::distributed {
namespace {

TEST(Wire, NumbersAndListsComeAsTheyWere) {
  const std::vector<int32_t> many{5, 6, 7, 8, 1, -3, -7, 100, 100, 100, 0, INT32_MAX, INT32_MIN};
  Message message;
  Writer writer(message);
  writer(int64_t{-1}, uint64_t{1} << 63, many, std::string("name"), true, 0.5f,
         std::vector<int32_t>(), std::vector<float>{1.0f, -0.0f});
  const AddressMap memory;
  Reader reader(message, memory);
  int64_t negative = 0;
  uint64_t large = 0;
  std::vector<int32_t> numbers, none{1};
  std::string name;
  bool yes = false;
  float half = 0.0f;
  std::vector<float> floats;
  reader(negative, large, numbers, name, yes, half, none, floats);
  EXPECT_EQ(negative, -1);
  EXPECT_EQ(large, uint64_t{1} << 63);
  EXPECT_EQ(numbers, many);
  EXPECT_EQ(name, "name");
  EXPECT_TRUE(yes);
  EXPECT_EQ(half, 0.5f);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(floats, (std::vector<float>{1.0f, -0.0f}));
  EXPECT_TRUE(reader.done());
}

TEST(Wire, ARowOfNumbersTakesAFewBytes) {
  std::vector<int32_t> numbers(4096);
  for (size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<int32_t>(1000 + 2 * i);
  Message message;
  Writer writer(message);
  writer(numbers);
  EXPECT_LT(message.size(), 16u);
}

TEST(Wire, ADamagedMessageIsRefused) {
  Message message;
  Writer writer(message);
  writer(std::vector<float>(10), std::string("text"));
  const AddressMap memory;
  for (size_t size = 0; size < message.size(); ++size) {
    Reader reader(std::span<const std::byte>(message).first(size), memory);
    std::vector<float> values;
    std::string text;
    EXPECT_THROW(reader(values, text), Error) << size;
  }
}

/// Rank 0 with another rank that is a thread, and a model of one matrix.
class RemoteBackendTest : public testing::Test {
 protected:
  RemoteBackendTest()
      : home_(kernels::create_cpu_backend("", 2)), transports_(MemoryTransport::make(2)) {
    const auto path = std::filesystem::temp_directory_path() /
                      ("lazyllm-remote-" + std::to_string(getpid()) + ".gguf");
    formats::GgufWriter writer;
    writer.set("general.architecture", formats::MetadataValue(std::string("llama")));
    matrix_.resize(64 * 32);
    std::mt19937 random(1);
    for (float& value : matrix_) value = static_cast<float>(random() % 100) / 50.0f - 1.0f;
    writer.add_tensor("blk.0.attn_q.weight", {64, 32}, matrix_);
    writer.write(path);
    file_ = formats::open_model_file(path);
    server_ = std::thread([this] { serve_models(*transports_[1]); });
    ranks_.emplace(*transports_[0], *home_, *file_, 2);
    std::filesystem::remove(path);
  }
  ~RemoteBackendTest() override {
    ranks_.reset();
    transports_[0]->send(1, Channel::commands, {});
    server_.join();
  }
  const kernels::Backend& remote() const { return ranks_->backend(1); }

  std::unique_ptr<kernels::Backend> home_;
  std::vector<std::unique_ptr<MemoryTransport>> transports_;
  std::vector<float> matrix_;
  std::shared_ptr<const formats::ModelFile> file_;
  std::thread server_;
  std::optional<RankGroup> ranks_;
};

TEST_F(RemoteBackendTest, AnotherModelUnderTheSamePathIsRefused) {
  const auto path = file_->path();
  formats::GgufWriter writer;
  writer.set("general.architecture", formats::MetadataValue(std::string("llama")));
  matrix_.back() += 1.0f;
  writer.add_tensor("blk.0.attn_q.weight", {64, 32}, matrix_);
  writer.write(path);
  ranks_.reset();
  try {
    ranks_.emplace(*transports_[0], *home_, *file_, 2);
    FAIL() << "a rank took another model";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("another model than rank 0's"));
    EXPECT_THAT(error.what(), testing::HasSubstr("rank 1 ("));
  }
  std::filesystem::remove(path);
}

TEST_F(RemoteBackendTest, MemoryHoldsWhatWasPutThereAndComesBackInUse) {
  const std::vector<float> values{1.0f, 2.0f, 3.0f};
  std::vector<float> back(3);
  void* first = nullptr;
  for (int round = 0; round < 3; ++round) {
    const kernels::Buffer buffer = remote().allocate(12);
    if (first == nullptr) first = buffer.data();
    EXPECT_EQ(buffer.data(), first);  // addresses are used again
    remote().upload(values.data(), buffer.floats(), 3);
    const kernels::Buffer copy = remote().allocate(12);
    remote().copy(buffer, copy);
    remote().download(copy.floats(), back.data(), 3);
    EXPECT_EQ(back, values);
  }
}

TEST_F(RemoteBackendTest, AMatrixOfItsOwnFileGivesTheSameBits) {
  const kernels::WeightSource source{"q", StorageType::f32, 64, 32, file_->tensors()[0].data};
  const auto product = [&](const kernels::Backend& backend) {
    const auto weight = backend.load_weight({&source, 1}, false);
    const kernels::Buffer in = backend.allocate(3 * 32 * 4), out = backend.allocate(3 * 64 * 4);
    std::vector<float> values(3 * 32), result(3 * 64);
    for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i % 7) - 3.0f;
    backend.upload(values.data(), in.floats(), values.size());
    const kernels::MatmulTarget target{weight.get(), nullptr, {out.floats(), 3, 64, 64}};
    backend.matmul({in.floats(), 3, 32, 32}, {&target, 1});
    backend.download(out.floats(), result.data(), result.size());
    return result;
  };
  EXPECT_EQ(product(remote()), product(*home_));
  int64_t sent = 0;
  for (const RankGroup::Link& link : ranks_->links()) sent += link.from == 0 ? link.other_bytes : 0;
  EXPECT_LT(sent, 2000);  // the weight itself did not travel
}

TEST_F(RemoteBackendTest, RowsOfThisRankAreCountedAndArrive) {
  const kernels::Buffer here = home_->allocate(5 * 8 * 4), there = remote().allocate(2 * 8 * 4);
  std::vector<float> values(40), back(16);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  home_->upload(values.data(), here.floats(), values.size());
  const float* const rows[] = {here.floats() + 8, here.floats() + 32};
  remote().gather_from(*home_, rows, {there.floats(), 2, 8, 8});
  const kernels::Buffer home_again = home_->allocate(2 * 8 * 4);
  const float* const remote_rows[] = {there.floats(), there.floats() + 8};
  home_->gather_from(remote(), remote_rows, {home_again.floats(), 2, 8, 8});
  home_->download(home_again.floats(), back.data(), back.size());
  EXPECT_EQ(std::vector<float>(back.begin(), back.begin() + 8),
            std::vector<float>(values.begin() + 8, values.begin() + 16));
  EXPECT_EQ(std::vector<float>(back.begin() + 8, back.end()),
            std::vector<float>(values.begin() + 32, values.end()));
  for (const RankGroup::Link& link : ranks_->links()) {
    EXPECT_EQ(link.row_bytes, link.from == 0 ? 64 : link.row_bytes);
    EXPECT_GT(link.other_bytes + link.row_bytes, 64);
  }
}

TEST_F(RemoteBackendTest, WhatGoesWrongThereIsSaidByTheNextThatWaits) {
  const kernels::Buffer buffer = remote().allocate(64);
  float value = 0.0f;
  // Behind the end of the buffer.
  EXPECT_THROW(remote().download(buffer.floats() + 16, &value, 1), Error);
  try {
    remote().download(buffer.floats(), &value, 1);
    FAIL() << "a broken rank computed on";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("rank 1"));
  }
}

}  // namespace
}  // namespace lazyllm::distributed
