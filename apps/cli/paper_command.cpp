// SPDX-License-Identifier: Apache-2.0
// Hands over to a Python script that runs `eval`, `attention` and `report` of this program.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "python_script.h"

namespace lazyllm::cli {
namespace {

struct PaperOptions {
  std::string model, data, out = "paper-results", tasks;
  int64_t limit = 0, max_length = 3500, threads = 0;
  bool estimate = false;
};

[[noreturn]] void make_paper(const PaperOptions& options) {
  const std::string script = find_script("paper_study.py");
  const std::string python = find_python(true);
  std::vector<std::string> arguments = {python, "-B", script};
  std::error_code error;
  const auto add = [&](const char* flag, const std::string& value) {
    arguments.push_back(fmt::format("{}={}", flag, value));
  };
  add("--program", std::filesystem::read_symlink("/proc/self/exe", error).string());
  add("--model", options.model);
  add("--data", options.data);
  add("--out", options.out);
  add("--tasks", options.tasks);
  add("--limit", std::to_string(options.limit));
  add("--max-length", std::to_string(options.max_length));
  add("--threads", std::to_string(options.threads));
  if (options.estimate) arguments.emplace_back("--estimate");
  become(std::move(arguments));
}

}  // namespace

void add_paper_command(CLI::App& app) {
  auto options = std::make_shared<PaperOptions>();
  CLI::App* command =
      app.add_subcommand("paper", "the LazyLLM paper's tables and figures, with your model");
  command->add_option("model", options->model, "model file, folder, or a name of lazyllm list")
      ->type_name("MODEL")
      ->required();
  command->add_option("data", options->data, "LongBench's folder, as eval takes it")
      ->type_name("DATA")
      ->required();
  command->add_option("--out", options->out, "folder for everything; a stopped run goes on there")
      ->capture_default_str();
  command->add_option("--tasks", options->tasks, "names of tasks, comma separated (default: all)");
  command->add_option("--limit", options->limit, "records of each task; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--max-length", options->max_length, "most tokens of a prompt")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command->add_option("-t,--threads", options->threads, "threads; 0: one for each core")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str();
  command->add_flag("--estimate", options->estimate, "only say how many hours it would take");
  command->footer(
      "Needs python3-numpy and python3-matplotlib.\n"
      "Example:\n"
      "  lazyllm paper model.gguf LongBench/data --limit 5 --out paper");
  command->callback([options] { make_paper(*options); });
}

}  // namespace lazyllm::cli
