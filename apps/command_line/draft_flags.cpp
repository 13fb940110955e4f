// SPDX-License-Identifier: Apache-2.0
#include "draft_flags.h"

#include "help.h"
#include "lazyllm/options.h"

namespace lazyllm::cli {

void add_draft_flags(CLI::App& command, DraftFlags& flags) {
  const std::string group = "Answer";
  command
      .add_option(
          "--draft-model,--model-draft", flags.draft_model,
          "a small model of the same family that writes ahead; the large one checks several "
          "tokens in one go: the same answer, often sooner")
      ->group(group);
  command
      .add_option("--draft-max", flags.draft_max, "most tokens that the small model writes ahead")
      ->check(CLI::Range(1, kMostDraftedTokens))
      ->capture_default_str()
      ->group(expert_group());
}

}  // namespace lazyllm::cli
