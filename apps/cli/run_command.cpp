// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "library_flags.h"
#include "stats_json.h"
#include "template_flags.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

Session* running_session = nullptr;
void interrupt(int) {
  if (running_session != nullptr) running_session->cancel();
}

struct RunOptions : CommonOptions, LibraryFlags, DraftFlags {
  bool show_kept = false;
};

std::string kept_view_of(const Model& model, const Session& session,
                         std::span<const TokenId> tokens, bool color) {
  std::vector<std::string> pieces;
  for (const TokenId token : tokens) pieces.push_back(model.piece(token, /*special=*/true));
  return kept_view(pieces, session.token_report(), model.info().kv_layers,
                   {color, terminal_width(2)});
}

void run(const RunOptions& options) {
  const std::string prompt = compose_prompt(options);  // refused before the model is loaded
  SessionOptions checked = session_options(options);
  const StatsFile stats(options.stats_json);
  double load_ms = 0.0;
  const std::shared_ptr<const Model> model = load_model(options, &load_ms);
  announce_settings(checked, *model);
  checked.library = open_library(options);
  checked.prefill = default_prefill(options);
  take_draft_model(options, options, checked);
  Session session(model, checked);
  const ChatPrompt chat = prepare_prompt(options, prompt, *model);
  const std::vector<TokenId>& tokens = chat.tokens;
  GenerationOptions generation = generation_options(options);
  generation.protected_ranges = chat.protected_ranges;

  ProgressLine progress;
  GenerationCallbacks callbacks;
  callbacks.on_progress = [&](double share, int layer, int layers) {
    progress.show("reading", share,
                  fmt::format("{} tokens, layer {}/{}", tokens.size(), layer + 1, layers));
  };
  std::string last;
  LoopDetector loops;
  bool in_circles = false;
  callbacks.on_text = [&](std::string_view text) {
    progress.clear();
    write_out(text);
    last.assign(text.substr(text.size() - 1));
    if (stops_loops(options) && loops.add(text)) {
      in_circles = true;
      session.cancel();
    }
  };
  GenerationResult result;
  {
    running_session = &session;
    const InterruptHandler handler(interrupt);
    result = session.generate(tokens, generation, callbacks);
    running_session = nullptr;
  }
  progress.clear();
  if (last != "\n") write_out("\n");
  const auto& depths = session.token_report().depths;
  stats.write(*model, session.statistics(), load_ms,
              options.show_kept ? std::vector<int32_t>(depths.begin(), depths.end())
                                : std::vector<int32_t>());
  const bool color = use_color(options.color, 2);
  if (options.show_kept) {
    std::fputs(kept_view_of(*model, session, tokens, color).c_str(), stderr);
  }
  if (in_circles)
    std::fputs("Stopped: the answer went round in circles (--allow-loops).\n", stderr);
  std::string figures = summary(session.statistics(), wanted_policy(options));
  if (options.verbose) figures += details(session.statistics(), load_ms);
  std::fputs(((color ? "\033[2m" : "") + figures + (color ? "\033[0m" : "")).c_str(), stderr);
  if (result.finish_reason == FinishReason::cancelled && !in_circles)
    throw Error(ErrorCode::cancelled, "interrupted");
}

}  // namespace

void add_run_command(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  options->sampling.temperature = 0.0f;
  options->profile = "auto";
  CLI::App* command = app.add_subcommand("run", "answer a question about a document");
  add_model_flags(*command, *options);
  command->add_option("-p,--prompt", options->prompt, "your question; it goes after the documents");
  add_prompt_flags(*command, *options);
  add_session_flags(*command, *options);
  add_library_flags(*command, *options);
  add_warmup_flag(*command, *options);
  add_template_flags(*command, *options);
  command->add_flag("--no-chat", options->no_chat,
                    "give the text to the model as it is, without its chat template");
  add_pruning_flags(*command, *options);
  add_profile_flag(*command, *options);
  add_sampling_flags(*command, *options);
  add_loop_flag(*command, *options);
  add_draft_flags(*command, *options);
  command->add_flag("--show-kept", options->show_kept,
                    "after the answer, print the document with the parts the model really read in "
                    "colour");
  command->add_option("--stats-json", options->stats_json,
                      "write the figures of this run to a file");
  command->footer(
      "Examples:\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\" -n 64\n"
      "  lazyllm run -m model.gguf -f report.pdf -p \"What was decided?\"\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\" --prune off\n"
      "  lazyllm run -m model.gguf -f novel.txt -p \"Who is Anna?\" --prune 19:0.1 --stats-json "
      "run.json\n"
      "  lazyllm run -m model.gguf --no-chat -p \"Once upon a time\" -n 100 --temp 0.8 --seed 1");
  command->callback([options] { run(*options); });
}

}  // namespace lazyllm::cli
