// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lazyllm/error.h"

namespace lazyllm::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string> kCommands = {"run", "chat", "serve", "tokenize"};

std::string refusal(const std::vector<std::string>& arguments) {
  try {
    normalise_arguments(arguments, kCommands);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
    return error.what();
  }
  return "";
}

TEST(Arguments, KnowsTheFlagsOfLlamaCpp) {
  EXPECT_THAT(normalise_arguments({"run", "-ctk", "f32", "-sys", "-ctv"}, kCommands),
              ElementsAre("run", "--cache-type-k", "f32", "--system-prompt", "-ctv"));
  EXPECT_THAT(refusal({"run", "-ngl", "99"}), HasSubstr("-ngl: there is no GPU"));
  EXPECT_THAT(refusal({"run", "--n-gpu-layers=99"}), HasSubstr("--n-gpu-layers: "));
  EXPECT_THAT(normalise_arguments({"run", "-hf", "owner/repo"}, kCommands),
              ElementsAre("run", "--hf-repo", "owner/repo"));
  EXPECT_THAT(normalise_arguments({"run", "-hf=owner/repo", "-sys=x=y"}, kCommands),
              ElementsAre("run", "--hf-repo=owner/repo", "--system-prompt=x=y"));
  EXPECT_EQ(refusal({"run", "-p", "-ngl"}), "");
}

TEST(Arguments, HelpIsACommand) {
  EXPECT_THAT(normalise_arguments({"help"}, kCommands), ElementsAre("--help"));
  EXPECT_THAT(normalise_arguments({"help", "run"}, kCommands), ElementsAre("run", "--help"));
  EXPECT_THAT(normalise_arguments({"run", "--help-all"}, kCommands), ElementsAre("run", "--help"));
}

TEST(Arguments, NamesTheNearestCommand) {
  EXPECT_THAT(refusal({"rnu"}), HasSubstr("Did you mean 'run'?"));
  EXPECT_THAT(refusal({"server"}), HasSubstr("Did you mean 'serve'?"));
  EXPECT_THAT(refusal({"help", "tokenise"}), HasSubstr("'tokenize'"));
  const std::string far = refusal({"frobnicate"});
  EXPECT_THAT(far, HasSubstr("no command 'frobnicate'; lazyllm help"));
}

}  // namespace
}  // namespace lazyllm::cli
