// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <atomic>
#include <memory>

#include "commands.h"
#include "lazyllm/error.h"
#include "lazyllm/model_store.h"
#include "pull.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

std::atomic<bool> interrupted{false};
void interrupt(int) {
  interrupted = true;
}

}  // namespace

std::filesystem::path pull_with_progress(const std::string& what, const std::string& sha256) {
  ProgressLine line;
  const InterruptHandler handler(interrupt);
  PullOptions options;
  options.sha256 = sha256;
  options.on_progress = [&](int64_t done, int64_t total) {
    const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0.0;
    line.show("fetching", share, fmt::format("{} of {} MB", done / 1000000, total / 1000000));
    return !interrupted;
  };
  return pull_model(what, options);
}

void add_pull_command(CLI::App& app) {
  auto what = std::make_shared<std::string>();
  auto sha256 = std::make_shared<std::string>();
  CLI::App* command = app.add_subcommand("pull", "fetch a model by its name, from a hub or a URL");
  command
      ->add_option("what", *what,
                   "a name of lazyllm list, hf:OWNER/REPO[:QUANT], or the URL of a .gguf file")
      ->required();
  command->add_option("--sha256", *sha256, "the checksum that the file must have");
  command->footer(
      "The file goes to ~/.cache/lazyllm/models, or to the folder LAZYLLM_MODELS. A fetch that "
      "was\n"
      "stopped goes on where it was. HF_TOKEN is the token for models that need one.\n\n"
      "Examples:\n"
      "  lazyllm pull qwen2.5-coder-0.5b\n"
      "  lazyllm pull hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M");
  command->callback(
      [what, sha256] { write_out(pull_with_progress(*what, *sha256).string() + "\n"); });
}

}  // namespace lazyllm::cli
