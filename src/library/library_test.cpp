// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/library.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "lazyllm/error.h"
#include "library/files.h"

namespace lazyllm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
namespace fs = std::filesystem;
using Kind = LibraryEntry::Kind;

class LibraryTest : public testing::Test {
 protected:
  LibraryTest() {
    std::string name = testing::TempDir() + "/library-XXXXXX";
    folder_ = mkdtemp(name.data());
  }
  ~LibraryTest() override { fs::remove_all(folder_); }

  std::unique_ptr<Library> open(uint64_t most_bytes = 1 << 20) {
    return std::make_unique<Library>(LibraryOptions{
        folder_, most_bytes, [this](const std::string& text) { messages_.push_back(text); }});
  }
  static void put_snapshot(Library& library, const std::string& id, size_t bytes) {
    LibraryEntry entry;
    entry.kind = Kind::snapshot;
    entry.id = id;
    entry.origin = "model";
    entry.tokens = {1, 2, 3};
    entry.depth = 7;
    library.put_file(
        entry, [&](const fs::path& path) { library::write_file(path, std::string(bytes, 's')); });
  }
  static std::vector<std::string> ids(Library& library, Kind kind) {
    std::vector<std::string> ids;
    for (const LibraryEntry& entry : library.entries(kind)) ids.push_back(entry.id);
    return ids;
  }

  fs::path folder_;
  std::vector<std::string> messages_;
};

TEST_F(LibraryTest, OutlivesItsProcess) {
  const std::string id = open()->put_document("a.txt", "some text");
  EXPECT_EQ(id, Library::document_id("some text"));
  put_snapshot(*open(), "snap", 10);
  const auto library = open();
  EXPECT_EQ(library->document(id), "some text");
  EXPECT_EQ(library->document("doc-none"), std::nullopt);
  EXPECT_EQ(library->document("../index.sqlite"), std::nullopt);
  const auto entries = library->entries(Kind::snapshot, "model");
  ASSERT_THAT(entries, SizeIs(1));
  EXPECT_THAT(entries[0].tokens, ElementsAre(1, 2, 3));
  EXPECT_EQ(entries[0].depth, 7);
  EXPECT_EQ(entries[0].bytes, 10u);
  EXPECT_THAT(library->entries(Kind::snapshot, "other"), IsEmpty());
  EXPECT_EQ(library->bytes(), 19u);
  EXPECT_TRUE(library->remove(Kind::document, id));
  EXPECT_FALSE(library->remove(Kind::document, id));
  EXPECT_EQ(library->document(id), std::nullopt);
  EXPECT_THAT(messages_, IsEmpty());
}

TEST_F(LibraryTest, DropsWhatWasUsedLeastRecentlyAndTextsLast) {
  const auto library = open(100);
  const auto wait = [] { std::this_thread::sleep_for(std::chrono::milliseconds(3)); };
  const std::string text = library->put_document("a", std::string(20, 'a'));
  for (const char* id : {"one", "two", "three"}) {
    wait();
    put_snapshot(*library, id, 25);
  }
  wait();
  library->note_use(Kind::snapshot, "one");
  wait();
  put_snapshot(*library, "four", 25);
  EXPECT_THAT(ids(*library, Kind::snapshot), ElementsAre("four", "one", "three"));
  EXPECT_FALSE(fs::exists(folder_ / "snapshots" / "two"));
  wait();
  put_snapshot(*library, "five", 70);
  EXPECT_THAT(ids(*library, Kind::snapshot), ElementsAre("five"));
  EXPECT_TRUE(library->document(text));
  EXPECT_LE(library->bytes(), 100u);
  EXPECT_THROW(put_snapshot(*library, "six", 101), Error);
  EXPECT_THAT(ids(*library, Kind::snapshot), ElementsAre("five"));
}

TEST_F(LibraryTest, PutsDamagedFilesAsideAndSaysSoOnce) {
  const auto library = open();
  const std::string id = library->put_document("a", "some text");
  put_snapshot(*library, "snap", 10);
  put_snapshot(*library, "gone", 10);
  std::ofstream(folder_ / "documents" / id) << "some texT";
  EXPECT_EQ(library->document(id), std::nullopt);
  EXPECT_THAT(messages_, ElementsAre(HasSubstr("it is damaged; it was put aside")));
  EXPECT_EQ(library->document(id), std::nullopt);
  EXPECT_THAT(messages_, SizeIs(1));
  EXPECT_TRUE(fs::exists(folder_ / "damaged" / id));

  std::ofstream(folder_ / "snapshots" / "snap", std::ios::app) << "!";
  fs::remove(folder_ / "snapshots" / "gone");
  const Library::Check check = library->verify();
  EXPECT_EQ(check.entries, 2);
  EXPECT_EQ(check.damaged, 1);
  EXPECT_EQ(check.missing, 1);
  EXPECT_THAT(ids(*library, Kind::snapshot), IsEmpty());
  EXPECT_EQ(library->verify().entries, 0);
}

TEST_F(LibraryTest, MakesANewIndexWhereTheOldOneIsDamaged) {
  const std::string id = open()->put_document("a", "some text");
  put_snapshot(*open(), "snap", 10);
  std::ofstream(folder_ / "index.sqlite", std::ios::trunc) << std::string(5000, 'x');
  std::ofstream(folder_ / "documents" / "doc-foreign") << "foreign";
  const auto library = open();
  EXPECT_EQ(library->document(id), "some text");
  EXPECT_THAT(ids(*library, Kind::snapshot), IsEmpty());
  EXPECT_THAT(messages_, testing::UnorderedElementsAre(HasSubstr("index.sqlite"),
                                                       HasSubstr("doc-foreign: not a text")));
}

TEST_F(LibraryTest, RefusesWhatItCannotUse) {
  const auto refusal = [](const fs::path& folder) -> std::string {
    try {
      Library library({folder});
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  std::ofstream(folder_ / "file") << "x";
  EXPECT_THAT(refusal(folder_ / "file"), HasSubstr("cannot write there"));
  EXPECT_THAT(refusal("/proc/library"), HasSubstr("cannot write there"));
  open();
  const std::string newer =
      "sqlite3 " + (folder_ / "index.sqlite").string() + " 'PRAGMA user_version = 9'";
  if (std::system(newer.c_str()) != 0) GTEST_SKIP() << "the program sqlite3 is not installed";
  EXPECT_THAT(refusal(folder_), HasSubstr("newer lazyllm"));
}

/// Runs `work` in a process of its own; its exit status.
template <typename Work>
pid_t fork_to(const Work& work) {
  const pid_t child = fork();
  if (child != 0) return child;
  int status = 1;
  try {
    status = work();
  } catch (...) {
  }
  _exit(status);
}

int status_of(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(LibraryTest, AFullDiskIsAnErrorAndLeavesTheRest) {
  const std::string id = open()->put_document("a", "some text");
  const pid_t child = fork_to([&] {
    std::signal(SIGXFSZ, SIG_IGN);
    const auto library = open();
    const rlimit most = {100'000, 100'000};
    setrlimit(RLIMIT_FSIZE, &most);
    try {
      put_snapshot(*library, "big", 200'000);
      return 2;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::io) return 3;
    }
    return library->document(id) == "some text" ? 0 : 4;
  });
  EXPECT_EQ(status_of(child), 0);
  EXPECT_THAT(ids(*open(), Kind::snapshot), IsEmpty());
  EXPECT_TRUE(fs::is_empty(folder_ / "tmp"));
}

TEST_F(LibraryTest, SeveralProcessesShareIt) {
  constexpr int kProcesses = 4, kTexts = 25;
  const auto text = [](int process, int i) { return fmt::format("text {} of {}", i, process); };
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    children.push_back(fork_to([&] {
      const auto library = open();  // all at once make the folder
      for (int i = 0; i < kTexts; ++i) {
        const std::string id = library->put_document("t", text(process, i));
        if (library->document(id) != text(process, i)) return 2;
        put_snapshot(*library, "shared", 1000);
      }
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(status_of(child), 0);
  const auto library = open();
  EXPECT_THAT(ids(*library, Kind::document), SizeIs(kProcesses * kTexts));
  const Library::Check check = library->verify();
  EXPECT_EQ(check.entries, kProcesses * kTexts + 1);
  EXPECT_EQ(check.damaged + check.missing, 0);
}

/// The lines that come from a pipe: at least `most` of them, unless it ends.
void read_lines(int descriptor, size_t most, std::string& text) {
  std::array<char, 4096> buffer;
  while (static_cast<size_t>(std::count(text.begin(), text.end(), '\n')) < most) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count <= 0) return;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
}

/// A writer is killed at random points; all that it had reported must be there, whole.
TEST_F(LibraryTest, LosesNothingThatWasReportedWhenKilled) {
  // LAZYLLM_KILLS=1000: so many, for a longer look.
  const char* const wanted = std::getenv("LAZYLLM_KILLS");
  const int rounds = wanted == nullptr ? 60 : std::atoi(wanted);
  const uint64_t most = (uint64_t{8} << 20) + (static_cast<uint64_t>(rounds) << 16);
  constexpr size_t kAll = 1 << 30;
  std::srand(1);
  open();
  std::string reported;  // ids, one a line
  for (int round = 0; round < rounds; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t child = fork_to([&] {
      const auto library = open(most);
      for (int i = 0;; ++i) {
        const std::string text =
            fmt::format("round {} text {} {}", round, i, std::string(3000, 'x'));
        const std::string id = library->put_document("t", text) + "\n";
        if (write(ends[1], id.data(), id.size()) < 0) return 1;
        put_snapshot(*library, fmt::format("snap{}", i % 3), 20'000);
      }
      return 0;
    });
    close(ends[1]);
    std::string lines;
    read_lines(ends[0], static_cast<size_t>(std::rand() % 8), lines);
    std::this_thread::sleep_for(std::chrono::microseconds(std::rand() % 20000));
    kill(child, SIGKILL);
    EXPECT_EQ(status_of(child), -1);
    read_lines(ends[0], kAll, lines);
    close(ends[0]);
    reported += lines.substr(0, lines.rfind('\n') + 1);
  }
  const auto library = open(most);
  std::istringstream ids(reported);
  int count = 0;
  for (std::string id; std::getline(ids, id); ++count) EXPECT_TRUE(library->document(id)) << id;
  EXPECT_GT(count, rounds * 2);
  const Library::Check check = library->verify();
  EXPECT_EQ(check.damaged + check.missing, 0);
  EXPECT_THAT(messages_, IsEmpty());
}

}  // namespace
}  // namespace lazyllm
