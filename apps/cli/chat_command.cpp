// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "library_flags.h"
#include "line_reader.h"
#include "stats_json.h"
#include "template_flags.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

Session* answering_session = nullptr;
void interrupt(int) {
  if (answering_session != nullptr) answering_session->cancel();
}

constexpr const char* kHelp =
    "/file NAME  adds a document to the next question\n"
    "/save NAME  writes the conversation to a file, as Markdown\n"
    "/reset      forgets the conversation; the document that chat began with stays\n"
    "/stats      shows the figures of the last answer\n"
    "/help       shows this\n"
    "/exit       ends, as Ctrl-D does. Ctrl-C stops an answer\n"
    "A line that ends in \\ goes on in the next one. The up key brings earlier lines back.\n";

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(' ');
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(' ') - begin + 1);
}

struct ChatOptions : CommonOptions, LibraryFlags, DraftFlags {};

SessionOptions chat_session_options(const ChatOptions& options) {
  SessionOptions session = session_options(options);
  session.library = open_library(options);
  session.prefill = default_prefill(options);
  take_draft_model(options, options, session);
  return session;
}

/// Several turns in a terminal. The document goes into the first user turn, and the
/// session keeps everything computed for it.
class Chat {
 public:
  Chat(std::shared_ptr<const Model> model, const ChatOptions& options, std::string document,
       double load_ms)
      : model_(std::move(model)),
        options_(options),
        session_(model_, chat_session_options(options)),
        load_ms_(load_ms),
        document_(std::move(document)) {
    start();
  }

  void loop() {
    if (!document_.empty()) read_ahead();
    if (lines_.interactive()) std::fputs("/help lists what you can do here.\n", stderr);
    for (std::string line; read_line(line);) {
      if (line == "/exit") break;
      if (line.empty()) continue;
      if (line[0] == '/') {
        const size_t space = std::min(line.find(' '), line.size());
        command(line.substr(0, space), trimmed(line.substr(space)));
      } else {
        answer(line);
      }
    }
    show_summary();
  }

 private:
  void command(const std::string& name, const std::string& argument) {
    if (name == "/help") {
      std::fputs(kHelp, stderr);
    } else if (name == "/reset") {
      start();
    } else if (name == "/stats") {
      show_figures(/*all=*/true);
    } else if (name == "/file" || name == "/save") {
      if (argument.empty()) {
        std::fprintf(stderr, "%s needs the name of a file\n", name.c_str());
      } else {
        name == "/file" ? add_file(argument) : save(argument);
      }
    } else {
      std::fprintf(stderr,
                   "unknown command %s; there are /file, /save, /reset, /stats, /help, /exit\n",
                   name.c_str());
    }
  }

  void add_file(const std::string& file) {
    try {
      if (is_standard_input(file)) throw Error(ErrorCode::usage, "/file needs the name of a file");
      std::string text = read_document_file(file);
      while (text.ends_with('\n')) text.pop_back();
      added_ += text + "\n\n";
      std::fprintf(stderr, "%s (%zu characters) goes before your next question.\n", file.c_str(),
                   text.size());
    } catch (const Error& error) {
      std::fprintf(stderr, "lazyllm: %s\n", error.what());
    }
  }

  /// Questions and answers, without the documents.
  void save(const std::string& file) const {
    if (std::filesystem::exists(file)) {
      std::fprintf(stderr, "%s exists already; choose another name\n", file.c_str());
      return;
    }
    std::ofstream out(file);
    for (const auto& [question, text] : spoken_)
      out << "## " << question << "\n\n" << text << "\n\n";
    out.close();
    std::fprintf(stderr, out ? "Saved as %s.\n" : "%s cannot be written\n", file.c_str());
  }

  void show_summary() const {
    if (!lines_.interactive() || answers_ == 0) return;
    std::fprintf(stderr, "%d answer%s, %lld tokens read, %lld written, %.1f s in all.\n", answers_,
                 answers_ == 1 ? "" : "s", static_cast<long long>(read_),
                 static_cast<long long>(written_), total_ms_ / 1000.0);
  }

  void show_figures(bool all) const {
    std::string figures = summary(session_.statistics(), wanted_policy(options_));
    if (all) figures += details(session_.statistics(), load_ms_);
    std::fputs(figures.c_str(), stderr);
  }

  void start() {
    messages_.clear();
    spoken_.clear();
    added_.clear();
    session_.reset();
    if (!options_.system_prompt.empty()) messages_.push_back({"system", options_.system_prompt});
    first_turn_ = true;
  }

  static GenerationCallbacks showing(ProgressLine& progress) {
    GenerationCallbacks callbacks;
    callbacks.on_progress = [&progress](double share, int layer, int layers) {
      progress.show("reading", share, fmt::format("layer {}/{}", layer + 1, layers));
    };
    return callbacks;
  }

  /// While the user thinks of a question. What goes wrong is told with the first answer.
  void read_ahead() {
    std::vector<ChatMessage> messages = messages_;
    messages.push_back({"user", document_ + "\n\n"});
    try {
      const ChatPrompt prompt = model_->chat_prompt(messages);
      GenerationOptions generation = generation_options(options_);
      generation.protected_ranges = prompt.protected_ranges;
      ProgressLine progress;
      GenerationCallbacks callbacks = showing(progress);
      const auto begin = std::chrono::steady_clock::now();
      answering_session = &session_;
      const InterruptHandler handler(interrupt);
      const bool done = session_.read_ahead(prompt.tokens, generation, callbacks);
      answering_session = nullptr;
      progress.clear();
      if (!done || !(lines_.interactive() || options_.verbose)) return;
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      std::fputs(fmt::format("The document, {} tokens, was read ahead in {:.1f} s.\n",
                             prompt.tokens.size(), seconds)
                     .c_str(),
                 stderr);
    } catch (const Error&) {
      answering_session = nullptr;
    }
  }

  bool read_line(std::string& line) {
    const InterruptHandler handler(interrupt);  // Ctrl-C between answers does not end the program
    return lines_.read(line, use_color(options_.color, 2));
  }

  void answer(const std::string& line) {
    if (find_invalid_utf8(line) != std::string::npos) {
      std::fputs("the line is not valid UTF-8; nothing was sent\n", stderr);
      return;
    }
    const std::string before = first_turn_ && !document_.empty() ? document_ + "\n\n" : "";
    messages_.push_back({"user", before + added_ + line});
    try {
      const GenerationResult result = generate();
      messages_.push_back({"assistant", result.text});
      first_turn_ = false;
      added_.clear();
      spoken_.emplace_back(line, result.text);
      count(session_.statistics());
      if (in_circles_) {
        std::fputs("Stopped: the answer went round in circles (--allow-loops).\n", stderr);
      } else if (result.finish_reason == FinishReason::cancelled) {
        std::fputs("[stopped]\n", stderr);
      }
      if (lines_.interactive() || options_.verbose) show_figures(options_.verbose);
    } catch (const Error& error) {
      // The turn is taken back; the conversation goes on without it.
      messages_.pop_back();
      if (error.code() == ErrorCode::io) throw;
      std::fprintf(stderr, "lazyllm: %s%s\n", error.what(),
                   error.code() == ErrorCode::context_full ? "; /reset starts again" : "");
    }
  }

  void count(const Statistics& s) {
    ++answers_;
    read_ = s.prompt_tokens;  // a turn's prompt holds the turns before
    written_ += s.generated_tokens;
    total_ms_ += s.total_ms;
  }

  GenerationResult generate() {
    const ChatPrompt prompt = model_->chat_prompt(messages_);
    GenerationOptions generation = generation_options(options_);
    generation.protected_ranges = prompt.protected_ranges;
    ProgressLine progress;
    GenerationCallbacks callbacks = showing(progress);
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
  const ChatOptions& options_;
  Session session_;
  double load_ms_;
  LineReader lines_;
  std::string document_;
  std::string added_;  // documents of /file for the next question
  std::vector<ChatMessage> messages_;
  bool first_turn_ = true;
  bool in_circles_ = false;
  std::vector<std::pair<std::string, std::string>> spoken_;  // question, answer
  int answers_ = 0;
  int64_t read_ = 0, written_ = 0;  // tokens
  double total_ms_ = 0.0;
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

void chat(const ChatOptions& options) {
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
  auto options = std::make_shared<ChatOptions>();
  options->profile = "auto";
  CLI::App* command = app.add_subcommand("chat", "talk about a document in several turns");
  add_model_flags(*command, *options);
  add_prompt_flags(*command, *options);
  add_session_flags(*command, *options);
  add_library_flags(*command, *options);
  add_warmup_flag(*command, *options);
  add_template_flags(*command, *options);
  add_pruning_flags(*command, *options);
  add_profile_flag(*command, *options);
  add_sampling_flags(*command, *options);
  add_loop_flag(*command, *options);
  add_draft_flags(*command, *options);
  command->footer(
      "Examples:\n"
      "  lazyllm chat -m model.gguf -f report.txt\n"
      "  lazyllm chat -m model.gguf --system-prompt \"Answer in one sentence.\" --temp 0");
  command->callback([options] { chat(*options); });
}

}  // namespace lazyllm::cli
