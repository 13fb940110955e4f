// SPDX-License-Identifier: Apache-2.0
#include "server/model_shelf.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "server/model_service.h"
#include "server/request_error.h"

namespace lazyllm::server {
namespace {

using std::chrono::milliseconds;

class ModelShelfTest : public testing::Test {
 protected:
  ModelShelfTest() {
    for (const char* name : {"a.gguf", "b.gguf", "c.gguf", "mmproj-a.gguf", "notes.txt"}) {
      std::filesystem::create_directories(folder_);
      std::ofstream(folder_ / name) << std::string(100, 'x');
    }
  }
  ~ModelShelfTest() override { std::filesystem::remove_all(folder_); }

  void make(size_t most, bool autoload = true) {
    shelf_ = std::make_unique<ModelShelf>(
        ModelShelf::Options{folder_, most, autoload, [this] { return free_.load(); }},
        [this](const std::string& name, const std::filesystem::path&) {
          ++loads_;
          if (name == broken_) throw Error(ErrorCode::invalid_file, "damaged");
          auto service = std::make_shared<ModelService>();
          service->name = name;
          return service;
        });
  }
  ModelShelf::Service get(const std::string& name) { return shelf_->acquire(name, never()); }
  static ModelShelf::Gone never() {
    return [] { return false; };
  }
  /// "ab": both are loaded.
  std::string loaded() {
    std::string names;
    for (const auto& one : shelf_->list()) {
      if (one.status == ModelShelf::Status::loaded) names += one.name;
    }
    return names;
  }
  int status_of_refusal(const std::string& name) {
    try {
      get(name);
    } catch (const RequestError& error) {
      return error.status();
    }
    return 200;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("lazyllm-shelf-" + std::to_string(::getpid()));
  std::atomic<uint64_t> free_{1000};
  std::atomic<int> loads_{0};
  std::string broken_;
  std::unique_ptr<ModelShelf> shelf_;
};

TEST_F(ModelShelfTest, LoadsWhatIsNamedAndUnloadsWhatWasUsedLongestAgo) {
  make(2);
  EXPECT_EQ(shelf_->list().size(), 3u);
  EXPECT_EQ(status_of_refusal("d"), 404);
  EXPECT_EQ(status_of_refusal(""), 400) << "there are several";
  EXPECT_EQ(get("a")->name, "a");
  EXPECT_EQ(get("b.gguf")->name, "b");
  EXPECT_EQ(get("a:latest")->name, "a");
  EXPECT_EQ(loads_, 2);
  EXPECT_EQ(get("")->name, "a") << "used last";
  EXPECT_EQ(get("c")->name, "c");
  EXPECT_EQ(loaded(), "ac");
  std::ofstream(folder_ / "d.gguf") << "x";
  EXPECT_EQ(get("d")->name, "d") << "came later";
  std::filesystem::remove(folder_ / "b.gguf");
  EXPECT_EQ(shelf_->list().size(), 3u);
}

TEST_F(ModelShelfTest, MemoryUnloadsAsWell) {
  make(0);
  get("a");
  get("b");
  EXPECT_EQ(loaded(), "ab");
  free_ = 50;
  get("c");
  EXPECT_EQ(loaded(), "c") << "and one alone is loaded whatever it needs";
}

TEST_F(ModelShelfTest, WhatWorksIsNotUnloadedAndThoseWhoWaitHaveAnOrder) {
  make(1);
  auto held = get("a");
  std::atomic<int> order{0}, b{0}, c{0};
  std::thread first([&] {
    get("b");
    b = ++order;
  });
  std::this_thread::sleep_for(milliseconds(200));
  std::thread second([&] {
    get("c");
    c = ++order;
  });
  std::this_thread::sleep_for(milliseconds(200));
  EXPECT_EQ(loaded(), "a");
  EXPECT_EQ(order, 0);
  held.reset();
  first.join();
  second.join();
  EXPECT_EQ(b, 1);
  EXPECT_EQ(c, 2);
  EXPECT_EQ(loaded(), "c");
}

TEST_F(ModelShelfTest, WhoGivesUpCostsNobodyHisModel) {
  make(1);
  auto held = get("a");
  const auto start = std::chrono::steady_clock::now();
  const auto gone = [&] { return std::chrono::steady_clock::now() - start > milliseconds(150); };
  EXPECT_THROW(shelf_->acquire("b", gone), RequestError);
  EXPECT_EQ(get("a"), held) << "takes requests again";
  EXPECT_EQ(loads_, 1);
}

TEST_F(ModelShelfTest, AModelThatCannotBeLoadedLeavesItsPlace) {
  make(1);
  broken_ = "b";
  EXPECT_THROW(get("b"), Error);
  EXPECT_EQ(shelf_->list()[1].failure, "damaged");
  EXPECT_EQ(get("a")->name, "a");
  broken_.clear();
  EXPECT_EQ(get("b")->name, "b");
}

TEST_F(ModelShelfTest, LoadsAndUnloadsWhenTold) {
  make(0, /*autoload=*/false);
  EXPECT_EQ(status_of_refusal("a"), 400);
  shelf_->load("a", never());
  auto held = get("a");
  std::thread unloading([&] { shelf_->unload("a", never()); });
  std::this_thread::sleep_for(milliseconds(150));
  EXPECT_EQ(loaded(), "a") << "it works";
  held.reset();
  unloading.join();
  EXPECT_EQ(loaded(), "");
  EXPECT_THROW(shelf_->unload("a", never()), RequestError);
  shelf_->stop();
  EXPECT_THROW(shelf_->load("a", never()), RequestError);
}

TEST(ModelFolder, KnowsPartsAndFolders) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("lazyllm-folder-" + std::to_string(::getpid()));
  for (const char* name : {"x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "hf/config.json",
                           "hf/model.safetensors", "gg/m.gguf", "empty/readme", ".hidden/m.gguf"}) {
    std::filesystem::create_directories((folder / name).parent_path());
    std::ofstream(folder / name) << "12345";
  }
  const auto models = models_in(folder);
  ASSERT_EQ(models.size(), 3u);
  EXPECT_EQ(models.at("x").bytes, 10u);
  EXPECT_EQ(models.at("x").path.filename(), "x-00001-of-00002.gguf");
  EXPECT_EQ(models.at("hf").path, folder / "hf");
  EXPECT_EQ(models.at("gg").path, folder / "gg" / "m.gguf");
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(models_in(folder).empty());
}

}  // namespace
}  // namespace lazyllm::server
