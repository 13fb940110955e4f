// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <thread>

#include "commands.h"
#include "common_options.h"
#include "library_flags.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

using Kind = LibraryEntry::Kind;

struct LibraryOptionsOfCommand : CommonOptions, LibraryFlags {
  std::vector<std::string> ids;
};

std::string bytes_text(uint64_t bytes) {
  if (bytes < 10'000) return fmt::format("{} B", bytes);
  if (bytes < 10'000'000) return fmt::format("{:.0f} kB", static_cast<double>(bytes) / 1e3);
  return fmt::format("{:.0f} MB", static_cast<double>(bytes) / 1e6);
}

std::string time_text(int64_t milliseconds) {
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm local{};
  localtime_r(&seconds, &local);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local);
  return text;
}

void list(const LibraryOptionsOfCommand& options) {
  const auto library = open_library(options, /*must=*/true);
  std::string out = fmt::format("{}: {} of {}\n", library->folder().string(),
                                bytes_text(library->bytes()), bytes_text(library->most_bytes()));
  for (const LibraryEntry& entry : library->entries(Kind::document)) {
    out += fmt::format("{}  {:>8}  {}  {}\n", entry.id, bytes_text(entry.bytes),
                       time_text(entry.used), entry.name);
  }
  for (const LibraryEntry& entry : library->entries(Kind::snapshot)) {
    out += fmt::format("{:<36}  {:>8}  {}  {} tokens to layer {} of {}\n", entry.id,
                       bytes_text(entry.bytes), time_text(entry.used), entry.tokens.size(),
                       entry.depth, entry.name);
  }
  write_out(out);
}

void remove(const LibraryOptionsOfCommand& options) {
  const auto library = open_library(options, /*must=*/true);
  for (const std::string& id : options.ids) {
    const bool found = library->remove(Kind::document, id) || library->remove(Kind::snapshot, id);
    if (!found) {
      throw Error(
          ErrorCode::usage,
          fmt::format("there is no {} in the library; lazyllm library list shows what is", id));
    }
  }
}

void verify(const LibraryOptionsOfCommand& options) {
  const auto library = open_library(options, /*must=*/true);
  const Library::Check check = library->verify();
  write_out(fmt::format("{} files, {}: {} damaged, {} missing\n", check.entries,
                        bytes_text(check.bytes), check.damaged, check.missing));
  if (check.damaged + check.missing > 0) {
    throw Error(ErrorCode::invalid_file, "damaged files were put aside; see above");
  }
}

/// Reads texts with a model: to the first pruning at once, then to all layers.
class Reader {
 public:
  Reader(const LibraryOptionsOfCommand& options, const std::shared_ptr<Library>& library)
      : options_(options),
        model_(load_model(options)),
        scheduler_(model_, scheduler_options(library)) {}

  void read(const std::string& name, const std::string& text) {
    AnswerRequest request;
    std::string head = text;
    while (head.ends_with('\n')) head.pop_back();
    ChatPrompt prompt = prepare_prompt(options_, head + "\n\n", *model_);
    const size_t tokens = prompt.tokens.size();
    request.prompt = std::move(prompt.tokens);
    request.generation.protected_ranges = std::move(prompt.protected_ranges);
    request.generation.max_tokens = 0;
    request.pruning = session_options(options_).pruning;
    const auto answer = scheduler_.submit(std::move(request));
    ProgressLine progress;
    for (bool ended = false; !ended;) {
      const auto event = answer->wait(std::chrono::milliseconds(200));
      if (!event) continue;
      if (const auto* share = std::get_if<PrefillProgress>(&*event)) {
        progress.show("reading", share->share / 2, fmt::format("{}, {} tokens", name, tokens));
      } else if (const auto* end = std::get_if<AnswerEnd>(&*event)) {
        if (end->error) throw *end->error;
        ended = true;
      }
    }
    for (SchedulerMetrics metrics; metrics = scheduler_.metrics(), !metrics.settled;) {
      progress.show("reading", 0.5 + metrics.deepening_share / 2,
                    fmt::format("{}, {} tokens", name, tokens));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    progress.clear();
  }

 private:
  SchedulerOptions scheduler_options(const std::shared_ptr<Library>& library) const {
    const SessionOptions session = session_options(options_);
    SchedulerOptions scheduler;
    scheduler.parallel = 1;
    scheduler.context = session.context;
    scheduler.cache_type_k = session.cache_type_k;
    scheduler.cache_type_v = session.cache_type_v;
    scheduler.cache_bytes = uint64_t{1} << 40;  // one document at a time
    scheduler.deepen_when_idle = true;
    scheduler.library = library;
    scheduler.on_message = [](const std::string& text) {
      std::fprintf(stderr, "lazyllm: %s\n", text.c_str());
    };
    return scheduler;
  }

  const LibraryOptionsOfCommand& options_;
  std::shared_ptr<const Model> model_;
  Scheduler scheduler_;
};

void add(const LibraryOptionsOfCommand& options) {
  std::vector<std::pair<std::string, std::string>> texts;  // refused before a model is loaded
  for (const std::string& path : options.files) texts.emplace_back(path, read_document_file(path));
  const auto library = open_library(options, /*must=*/true);
  for (const auto& [path, text] : texts) {
    const std::string name =
        path == "-" ? "standard input" : std::filesystem::path(path).filename().string();
    write_out(fmt::format("{}  {}\n", library->put_document(name, text), name));
  }
  if (options.model.empty() && options.hub_model.empty()) return;
  Reader reader(options, library);
  for (const auto& [path, text] : texts) reader.read(path, text);
}

void warm(const LibraryOptionsOfCommand& options) {
  const auto library = open_library(options, /*must=*/true);
  std::vector<LibraryEntry> documents = library->entries(Kind::document);
  if (documents.empty()) {
    throw Error(ErrorCode::usage,
                "the library has no document; lazyllm library add FILE puts one in");
  }
  Reader reader(options, library);
  for (const LibraryEntry& entry : documents) {
    if (const auto text = library->document(entry.id)) reader.read(entry.name, *text);
  }
}

}  // namespace

void add_library_command(CLI::App& app) {
  CLI::App* command =
      app.add_subcommand("library",
                         "what was read of documents and is kept for later: list, add, remove, "
                         "verify, warm");
  command->require_subcommand(1);
  using Options = std::shared_ptr<LibraryOptionsOfCommand>;
  // Options of its own for each: the environment's values reach those that are not run, too.
  const auto subcommand = [&](const char* name, const char* text, const Options& options,
                              void (*work)(const LibraryOptionsOfCommand&)) {
    options->profile = "auto";
    CLI::App* one = command->add_subcommand(name, text);
    add_library_flags(*one, *options);
    one->callback([options, work] { work(*options); });
    return one;
  };
  const auto new_options = [] { return std::make_shared<LibraryOptionsOfCommand>(); };
  const auto add_reading_flags = [](CLI::App& one, LibraryOptionsOfCommand& options) {
    add_model_flags(one, options);
    one.add_option("--system-prompt", options.system_prompt,
                   "the system prompt that questions about it will have (also -sys)");
    add_session_flags(one, options);
    add_pruning_flags(one, options);
    add_profile_flag(one, options);
  };
  command->footer(
      "Examples:\n"
      "  lazyllm library add report.pdf -m model.gguf\n"
      "  lazyllm library list");
  subcommand("list", "documents and snapshots, the last used first", new_options(), list);
  const Options adding = new_options(), removing = new_options(), warming = new_options();
  CLI::App* one = subcommand("add", "put documents in; with -m MODEL, read them too", adding, add);
  one->add_option("FILE", adding->files, "documents as for -f of lazyllm run")->required();
  add_reading_flags(*one, *adding);
  one = subcommand("remove", "take documents or snapshots out", removing, remove);
  one->add_option("ID", removing->ids, "as list shows them")->required();
  subcommand("verify", "hold every file against its checksum", new_options(), verify);
  one = subcommand("warm", "read all documents with a model", warming, warm);
  add_reading_flags(*one, *warming);
}

}  // namespace lazyllm::cli
