// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "stats_json.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

Session* answering_session = nullptr;
void interrupt(int) {
  if (answering_session != nullptr) answering_session->cancel();
}

constexpr const char* kHelp =
    "/exit ends, /reset forgets the conversation (the document stays), /stats shows figures, "
    "/help this, Ctrl-C stops an answer.\n";

/// Several turns in a terminal. The document goes into the first user turn, and the
/// session keeps everything computed for it.
class Chat {
 public:
  Chat(std::shared_ptr<const Model> model, const CommonOptions& options, std::string document,
       double load_ms)
      : model_(std::move(model)),
        options_(options),
        session_(model_, session_options(options)),
        load_ms_(load_ms),
        interactive_(isatty(STDIN_FILENO) != 0),
        document_(std::move(document)) {
    start();
  }

  void loop() {
    if (interactive_) {
      std::fputs(kHelp, stderr);
    }
    for (std::string line; read_line(line);) {
      if (line == "/exit") break;
      if (line == "/help") {
        std::fputs(kHelp, stderr);
        continue;
      }
      if (line == "/reset") {
        start();
        continue;
      }
      if (line == "/stats") {
        show_figures(/*all=*/true);
        continue;
      }
      if (line.empty()) continue;
      if (line[0] == '/') {
        std::fprintf(stderr, "unknown command %s; there are /help, /exit, /reset, /stats\n",
                     line.c_str());
        continue;
      }
      answer(line);
    }
  }

 private:
  void show_figures(bool all) const {
    std::string figures = summary(session_.statistics(), wanted_policy(options_));
    if (all) figures += details(session_.statistics(), load_ms_);
    std::fputs(figures.c_str(), stderr);
  }

  void start() {
    messages_.clear();
    session_.reset();
    if (!options_.system_prompt.empty()) messages_.push_back({"system", options_.system_prompt});
    first_turn_ = true;
  }

  bool read_line(std::string& line) {
    if (interactive_) {
      std::fputs(use_color(options_.color, 2) ? "\033[1m> \033[0m" : "> ", stderr);
      std::fflush(stderr);
    }
    const InterruptHandler handler(interrupt);  // Ctrl-C between answers does not end the program
    if (!std::getline(std::cin, line)) return false;
    if (line.ends_with('\r')) line.pop_back();
    if (first_line_ && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // a byte-order mark
    first_line_ = false;
    return true;
  }

  void answer(const std::string& line) {
    if (find_invalid_utf8(line) != std::string::npos) {
      std::fputs("the line is not valid UTF-8; nothing was sent\n", stderr);
      return;
    }
    messages_.push_back(
        {"user", first_turn_ && !document_.empty() ? document_ + "\n\n" + line : line});
    try {
      const GenerationResult result = generate();
      messages_.push_back({"assistant", result.text});
      first_turn_ = false;
      if (in_circles_) {
        std::fputs("Stopped: the answer went round in circles (--allow-loops).\n", stderr);
      } else if (result.finish_reason == FinishReason::cancelled) {
        std::fputs("[stopped]\n", stderr);
      }
      if (interactive_ || options_.verbose) show_figures(options_.verbose);
    } catch (const Error& error) {
      // The turn is taken back; the conversation goes on without it.
      messages_.pop_back();
      if (error.code() == ErrorCode::io) throw;
      std::fprintf(stderr, "lazyllm: %s%s\n", error.what(),
                   error.code() == ErrorCode::context_full ? "; /reset starts again" : "");
    }
  }

  GenerationResult generate() {
    const ChatPrompt prompt = model_->chat_prompt(messages_);
    GenerationOptions generation = generation_options(options_);
    generation.protected_ranges = prompt.protected_ranges;
    ProgressLine progress;
    GenerationCallbacks callbacks;
    callbacks.on_progress = [&](double share, int layer, int layers) {
      progress.show("reading", share, fmt::format("layer {}/{}", layer + 1, layers));
    };
    LoopDetector loops;
    in_circles_ = false;
    callbacks.on_text = [&](std::string_view text) {
      progress.clear();
      write_out(text);
      if (stops_loops(options_) && loops.add(text)) {
        in_circles_ = true;
        session_.cancel();
      }
    };
    answering_session = &session_;
    const InterruptHandler handler(interrupt);
    GenerationResult result;
    try {
      result = session_.generate(prompt.tokens, generation, callbacks);
    } catch (...) {
      answering_session = nullptr;
      throw;
    }
    answering_session = nullptr;
    progress.clear();
    write_out("\n");
    return result;
  }

  std::shared_ptr<const Model> model_;
  const CommonOptions& options_;
  Session session_;
  double load_ms_;
  bool interactive_;
  std::string document_;
  std::vector<ChatMessage> messages_;
  bool first_turn_ = true;
  bool in_circles_ = false;
  bool first_line_ = true;
};

/// Questions come from the standard input; where the document came from there, from the terminal.
/// Errors: Error(usage) if there is none.
void take_questions_from_terminal() {
  const int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
  if (terminal < 0 || dup2(terminal, STDIN_FILENO) < 0) {
    throw Error(ErrorCode::usage,
                "the document came from the standard input, and there is no terminal to ask "
                "questions from; name a file: -f FILE");
  }
  close(terminal);
}

void chat(const CommonOptions& options) {
  session_options(options);  // refuse bad flags before the model is loaded
  std::string document;
  if (!options.files.empty()) document = compose_prompt(options);
  while (document.ends_with('\n')) document.pop_back();  // a blank line follows, as in run
  const bool input_used =
      std::any_of(options.files.begin(), options.files.end(), is_standard_input);
  if (input_used && isatty(STDIN_FILENO) == 0) take_questions_from_terminal();
  double load_ms = 0.0;
  const std::shared_ptr<const Model> model = load_model(options, &load_ms);
  announce_settings(session_options(options), *model);
  Chat(model, options, std::move(document), load_ms).loop();
}

}  // namespace

void add_chat_command(CLI::App& app) {
  auto options = std::make_shared<CommonOptions>();
  options->profile = "auto";
  CLI::App* command = app.add_subcommand("chat", "talk about a document in several turns");
  add_model_flags(*command, *options);
  add_prompt_flags(*command, *options);
  add_session_flags(*command, *options);
  add_warmup_flag(*command, *options);
  add_pruning_flags(*command, *options);
  add_profile_flag(*command, *options);
  add_sampling_flags(*command, *options);
  add_loop_flag(*command, *options);
  command->footer(
      "Examples:\n"
      "  lazyllm chat -m model.gguf -f report.txt\n"
      "  lazyllm chat -m model.gguf --system-prompt \"Answer in one sentence.\" --temp 0");
  command->callback([options] { chat(*options); });
}

}  // namespace lazyllm::cli
