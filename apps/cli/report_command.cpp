// SPDX-License-Identifier: Apache-2.0
// Hands over to the report's Python script: statistics by NumPy, plots by matplotlib.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "commands.h"
#include "python_script.h"

namespace lazyllm::cli {
namespace {

struct ReportOptions {
  std::vector<std::string> folders;
  std::string out, title = "lazyllm evaluation", able;
  int64_t resamples = 5000, seed = 0;
  bool no_plots = false;
};

[[noreturn]] void report(const ReportOptions& options) {
  const std::string script = find_script("report.py");
  const std::string python = find_python(!options.no_plots);
  std::vector<std::string> arguments = {python, "-B", script};
  const auto add = [&](const char* flag, const std::string& value) {
    if (!value.empty()) arguments.push_back(fmt::format("{}={}", flag, value));
  };
  add("--out", options.out);
  add("--title", options.title);
  add("--able", options.able);
  add("--resamples", std::to_string(options.resamples));
  add("--seed", std::to_string(options.seed));
  if (options.no_plots) arguments.emplace_back("--no-plots");
  arguments.emplace_back("--");  // a folder may begin with a dash
  arguments.insert(arguments.end(), options.folders.begin(), options.folders.end());
  become(std::move(arguments));
}

}  // namespace

void add_report_command(CLI::App& app) {
  auto options = std::make_shared<ReportOptions>();
  CLI::App* command =
      app.add_subcommand("report", "tables, intervals and plots from what eval wrote");
  command->add_option("folders", options->folders, "folders with samples.jsonl, as --out of eval")
      ->type_name("DIR")
      ->required();
  command->add_option(
      "--out", options->out,
      "folder for report.md, report.html, report.json and plots/ (default: the first DIR)");
  command->add_option("--title", options->title, "heading")->capture_default_str();
  command->add_option("--able", options->able,
                      "tasks that the model can do, comma separated: averaged apart as well");
  command->add_option("--resamples", options->resamples, "of the bootstrap")
      ->check(CLI::Range(100, 100000))
      ->capture_default_str();
  command->add_option("--seed", options->seed, "of the bootstrap")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_flag("--no-plots", options->no_plots, "tables only; does without matplotlib");
  command->footer(
      "Needs python3-numpy and python3-matplotlib.\n"
      "Example:\n"
      "  lazyllm report results/longbench results/needle --out report");
  command->callback([options] { report(*options); });
}

}  // namespace lazyllm::cli
