// SPDX-License-Identifier: Apache-2.0
#include "model_flags.h"

#include <fmt/format.h>

#include <chrono>
#include <cstdio>

#include "help.h"
#include "lazyllm/model_store.h"
#include "pull.h"
#include "template_flags.h"
#include "terminal.h"
#include "this_cluster.h"

namespace lazyllm::cli {

void add_model_flags(CLI::App& command, ModelFlags& flags) {
  command.add_option("-m,--model", flags.model,
                     "model file (.gguf), Hugging Face folder, or a name of lazyllm list");
#ifdef LAZYLLM_WITH_PULL
  command.add_option("--hf-repo", flags.hub_model,
                     "instead of -m: OWNER/REPO[:QUANT] of a hub, fetched if it is not here (also "
                     "-hf)");
#endif
  add_machine_flags(command, flags);
}

void add_machine_flags(CLI::App& command, ModelFlags& flags) {
  command.add_option("-t,--threads", flags.threads, "threads (default: one for each core)")
      ->check(CLI::Range(1, 1024));
  command
      .add_option(
          "--isa", flags.isa,
          "processor instructions to use: avx512-bf16, avx512-vnni, avx-vnni, avx2, generic")
      ->group(expert_group());
}

void add_warmup_flag(CLI::App& command, ModelFlags& flags) {
  command.add_flag("--no-warmup", flags.no_warmup, "skip the warm-up after loading")
      ->group(expert_group());
}

std::filesystem::path model_path(const ModelFlags& flags) {
  if (flags.model.empty() == flags.hub_model.empty()) {
    throw Error(ErrorCode::usage,
                "say which model: -m FILE, or -m NAME with a name of lazyllm list");
  }
#ifdef LAZYLLM_WITH_PULL
  if (!flags.hub_model.empty()) return pull_with_progress("hf:" + flags.hub_model, "");
#endif
  return find_model(flags.model);
}

std::shared_ptr<const Model> load_model(const ModelFlags& flags, double* load_ms) {
  const std::filesystem::path path = model_path(flags);
  ProgressLine progress;
  ModelOptions model_options;
  model_options.threads = flags.threads;
  model_options.isa = flags.isa;
  model_options.chat_template = chat_template(flags);
  model_options.cluster = cluster_for_a_model();
  model_options.on_message = [](const std::string& line) {
    std::fputs(("warning: " + line + "\n").c_str(), stderr);
  };
  model_options.on_progress = [&](int done, int layers) {
    progress.show("loading", static_cast<double>(done) / layers,
                  fmt::format("layer {}/{}", done, layers));
  };
  const auto start = std::chrono::steady_clock::now();
  std::shared_ptr<const Model> model = Model::load(path, model_options);
  if (!flags.no_warmup) {
    // One token through the model: pages are touched and threads awake before anything is timed.
    Session session(model);
    const TokenId token[] = {0};
    session.logits(token, {}, {});
  }
  progress.clear();
  if (load_ms != nullptr) {
    *load_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
  return model;
}

void take_draft_model(const DraftFlags& flags, ModelFlags large, SessionOptions& session) {
  if (flags.draft_model.empty()) return;
  large.model = flags.draft_model;
  large.hub_model.clear();
  large.chat_template_file.clear();
  session.draft_model = load_model(large);
  session.draft_max = flags.draft_max;
}

}  // namespace lazyllm::cli
