// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "kept_view.h"
#include "stats_json.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

Session* running_session = nullptr;
void interrupt(int) {
  if (running_session != nullptr) running_session->cancel();
}

std::vector<TokenId> prompt_tokens(const CommonOptions& options, const std::string& text,
                                   const Model& model) {
  if (options.no_chat) return model.tokenize(text, /*add_special=*/true, /*parse_special=*/true);
  std::vector<ChatMessage> messages;
  if (!options.system_prompt.empty()) messages.push_back({"system", options.system_prompt});
  messages.push_back({"user", text});
  return model.apply_chat_template(messages);
}

struct RunOptions : CommonOptions {
  bool show_kept = false;
};

std::string kept_view_of(const Model& model, const Session& session,
                         std::span<const TokenId> tokens, bool color) {
  std::vector<std::string> pieces;
  for (const TokenId token : tokens) pieces.push_back(model.piece(token, /*special=*/true));
  return kept_view(pieces, session.token_report(), model.info().layers, {color, terminal_width(2)});
}

void run(const RunOptions& options) {
  const std::string prompt = compose_prompt(options);  // refused before the model is loaded
  const SessionOptions checked = session_options(options);
  const StatsFile stats(options.stats_json);
  double load_ms = 0.0;
  const std::shared_ptr<const Model> model = load_model(options, &load_ms);
  announce_profile(checked, *model);
  Session session(model, checked);
  const std::vector<TokenId> tokens = prompt_tokens(options, prompt, *model);

  ProgressLine progress;
  GenerationCallbacks callbacks;
  callbacks.on_progress = [&](double share, int layer, int layers) {
    progress.show("prefill", share,
                  fmt::format("{} tokens, layer {}/{}", tokens.size(), layer + 1, layers));
  };
  std::string last;
  callbacks.on_text = [&](std::string_view text) {
    progress.clear();
    write_out(text);
    last.assign(text.substr(text.size() - 1));
  };
  GenerationResult result;
  {
    running_session = &session;
    const InterruptHandler handler(interrupt);
    result = session.generate(tokens, generation_options(options), callbacks);
    running_session = nullptr;
  }
  progress.clear();
  if (last != "\n") write_out("\n");
  stats.write(*model, session.statistics(), load_ms);
  const bool color = use_color(options.color, 2);
  if (options.show_kept) {
    std::fputs(kept_view_of(*model, session, tokens, color).c_str(), stderr);
  }
  std::fputs((std::string(color ? "\033[2m" : "") + summary(session.statistics(), load_ms) +
              (color ? "\033[0m" : ""))
                 .c_str(),
             stderr);
  if (result.finish_reason == FinishReason::cancelled)
    throw Error(ErrorCode::cancelled, "interrupted");
}

}  // namespace

void add_run_command(CLI::App& app) {
  auto options = std::make_shared<RunOptions>();
  options->sampling.temperature = 0.0f;
  options->profile = "auto";
  CLI::App* command = app.add_subcommand("run", "answer one prompt");
  add_model_flags(*command, *options);
  command->add_option("-p,--prompt", options->prompt, "the prompt; goes after the files");
  add_session_flags(*command, *options);
  command->add_flag("--no-chat", options->no_chat,
                    "bare text instead of the model's chat template");
  add_pruning_flags(*command, *options);
  add_profile_flag(*command, *options);
  add_sampling_flags(*command, *options);
  command->add_flag("--show-kept", options->show_kept,
                    "after the answer, print the prompt on stderr, shaded by how deep each token "
                    "was carried");
  command->add_option("--stats-json", options->stats_json, "write figures of this run to a file");
  command->footer(
      "Examples:\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\" -n 64\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\" --policy dense\n"
      "  lazyllm run -m model.gguf -f novel.txt -p \"Who is Anna?\" --prune 19:0.1 --stats-json "
      "run.json\n"
      "  lazyllm run -m model.gguf --no-chat -p \"Once upon a time\" -n 100 --temp 0.8 --seed 1");
  command->callback([options] { run(*options); });
}

}  // namespace lazyllm::cli
