// SPDX-License-Identifier: Apache-2.0
#include "documents/run_program.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>

#include "documents/private_folder.h"
#include "lazyllm/error.h"

namespace lazyllm::documents {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using How = ProgramEnd::How;

ProgramEnd shell(const std::string& script, ConversionLimits limits = {}) {
  const PrivateFolder folder;
  return run_program("/bin/sh", {"-c", script}, folder.path(), limits);
}

TEST(RunProgram, GivesOutputAndStatus) {
  const ProgramEnd end = shell("echo out; echo err >&2; exit 3");
  EXPECT_EQ(end.how, How::exited);
  EXPECT_EQ(end.status, 3);
  EXPECT_EQ(end.output, "out\n");
  EXPECT_EQ(end.complaint, "err\n");
  EXPECT_TRUE(shell("exit 0").succeeded());
  EXPECT_EQ(shell("kill -TERM $$").how, How::by_signal);
}

TEST(RunProgram, EndsWhatHangs) {
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(shell("sleep 100", {.time = 200ms}).how, How::out_of_time);
  EXPECT_EQ(shell("exec >&- 2>&-; sleep 100", {.time = 200ms}).how, How::out_of_time);
  EXPECT_EQ(shell("trap '' TERM; while :; do :; done", {.time = 200ms}).how, How::out_of_time);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 20s);
}

TEST(RunProgram, EndsWhatTheProgramLeavesBehind) {
  const PrivateFolder folder;
  const ProgramEnd end =
      run_program("/bin/sh", {"-c", "sleep 100 >&- 2>&- & echo $!"}, folder.path(), {.time = 20s});
  ASSERT_TRUE(end.succeeded());
  const pid_t child = std::stoi(end.output);
  for (int tries = 0; tries < 500 && kill(child, 0) == 0; ++tries) {
    std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
    std::string number, name, state;
    stat >> number >> name >> state;
    if (state == "Z") return;  // dead, and nobody has asked for it yet
    usleep(10000);
  }
  EXPECT_NE(kill(child, 0), 0);
}

TEST(RunProgram, BoundsOutputAndMemory) {
  const ProgramEnd end = shell("cat /dev/zero", {.time = 20s, .output_bytes = 100000});
  EXPECT_EQ(end.how, How::too_much_output);
  EXPECT_LE(end.output.size(), 100001u);
  EXPECT_FALSE(shell("x=$(head -c 200000000 /dev/zero | tr '\\0' a); echo done",
                     {.time = 20s, .memory_bytes = 50u << 20})
                   .succeeded());
}

TEST(RunProgram, HasNoFilesOfOursAndNoInput) {
  const int ours = open("/etc/hostname", O_RDONLY);  // without O_CLOEXEC
  ASSERT_GE(ours, 3);
  EXPECT_EQ(shell("ls /proc/self/fd | wc -l; cat").output, "4\n");  // 0, 1, 2 and ls's own
  close(ours);
  setenv("LAZYLLM_API_KEY", "secret", 1);
  EXPECT_THAT(shell("env").output, testing::Not(HasSubstr("secret")));
  unsetenv("LAZYLLM_API_KEY");
}

TEST(RunProgram, SaysThatAProgramCannotStart) {
  const PrivateFolder folder;
  EXPECT_EQ(run_program("/nonexistent", {}, folder.path(), {}).status, 127);
  EXPECT_FALSE(find_program("no-such-program-of-lazyllm"));
  EXPECT_TRUE(find_program("sh"));
}

TEST(PrivateFolder, IsPrivateAndGoesAway) {
  std::filesystem::path path;
  {
    const PrivateFolder folder;
    path = folder.path();
    std::ofstream(path / "file") << "x";
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace lazyllm::documents
