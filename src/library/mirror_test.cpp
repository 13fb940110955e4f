// SPDX-License-Identifier: Apache-2.0
#include "library/mirror.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace lazyllm::library {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = LibraryEntry::Kind;

/// Items in memory; counts what it is asked.
struct Store : SharedStore {
  struct State {
    std::map<std::string, SharedItem> items;
    int asked = 0, items_read = 0;
    bool gone = false;
  };
  explicit Store(State& wanted) : state(wanted) {}
  void ask() const {
    ++state.asked;
    if (state.gone) fail(ErrorCode::io, "the store is gone");
  }
  int64_t changes() override {
    ask();
    return std::ssize(state.items);
  }
  std::vector<std::string> ids(Kind, const std::string&) override {
    ask();
    std::vector<std::string> result;
    for (const auto& [id, item] : state.items) result.push_back(id);
    return result;
  }
  std::optional<SharedItem> find(Kind, const std::string&, const std::string& id) override {
    ask();
    ++state.items_read;
    const auto found = state.items.find(id);
    return found == state.items.end() ? std::nullopt : std::optional(found->second);
  }
  bool fetch(const LibraryEntry& entry, const std::filesystem::path&) override {
    ask();
    return state.items.contains(entry.id);
  }
  void put(const SharedItem& item, const std::filesystem::path&) override {
    ask();
    state.items[item.entry.id] = item;
  }
  void remove(const LibraryEntry& entry) override {
    ask();
    state.items.erase(entry.id);
  }
  State& state;
};

class MirrorTest : public testing::Test {
 protected:
  static SharedItem item(const std::string& id) {
    SharedItem item;
    item.entry.kind = Kind::snapshot;
    item.entry.id = id;
    item.entry.origin = "model";
    return item;
  }

  Store::State state_;
  std::vector<std::string> messages_;
  Mirror mirror_{std::make_unique<Store>(state_),
                 [this](const std::string& text) { messages_.push_back(text); }};
};

TEST_F(MirrorTest, AnItemIsReadOnce) {
  mirror_.put(item("a"), "");
  mirror_.put(item("b"), "");
  for (int turn = 0; turn < 3; ++turn) {
    EXPECT_THAT(mirror_.entries(Kind::snapshot, "model"), SizeIs(2));
  }
  EXPECT_EQ(state_.items_read, 2);
  mirror_.remove(item("a").entry);
  ASSERT_THAT(mirror_.entries(Kind::snapshot, "model"), SizeIs(1));
  EXPECT_EQ(mirror_.entries(Kind::snapshot, "model")[0].id, "b");
  EXPECT_EQ(state_.items_read, 2);
}

TEST_F(MirrorTest, ChangesAreAskedForOnceASecondAndNeverFall) {
  mirror_.put(item("a"), "");
  EXPECT_EQ(mirror_.changes(), 1);
  const int asked = state_.asked;
  EXPECT_EQ(mirror_.changes(), 1);
  EXPECT_EQ(state_.asked, asked);
}

TEST_F(MirrorTest, AStoreThatIsGoneIsToldOnceAndLeftAlone) {
  mirror_.put(item("a"), "");
  state_.gone = true;
  EXPECT_THAT(mirror_.entries(Kind::snapshot, "model"), IsEmpty());
  const int asked = state_.asked;
  EXPECT_FALSE(mirror_.find(Kind::snapshot, "model", "a").has_value());
  EXPECT_FALSE(mirror_.fetch(item("a"), ""));
  mirror_.put(item("b"), "");
  mirror_.remove(item("a").entry);
  EXPECT_EQ(mirror_.changes(), 0);
  EXPECT_EQ(state_.asked, asked) << "nobody waits for it again";
  EXPECT_THAT(messages_, ElementsAre(HasSubstr("goes on without the shared store")));
}

TEST(SharedStore, AddressesThatAreNoneAreRefused) {
  for (const char* address : {"redis", "http://host", "redis://host:port", "redis://host:0",
                              "redis://host:70000", "redis://host/one"}) {
    EXPECT_THROW(open_shared_store(address), Error) << address;
  }
}

}  // namespace
}  // namespace lazyllm::library
