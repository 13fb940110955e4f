// SPDX-License-Identifier: Apache-2.0
// Hands over to the report's Python script: statistics by NumPy, plots by matplotlib.
#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands.h"
#include "lazyllm/lazyllm.h"

extern char** environ;

namespace lazyllm::cli {
namespace {

struct ReportOptions {
  std::vector<std::string> folders;
  std::string out, title = "lazyllm evaluation", able;
  int64_t resamples = 5000, seed = 0;
  bool no_plots = false;
};

constexpr const char* kPythonVariable = "LAZYLLM_PYTHON";
constexpr const char* kProbe =
    "import importlib.util, sys\n"
    "sys.exit(any(importlib.util.find_spec(name) is None for name in sys.argv[1:]))";

/// For exec and spawn; holds as long as `arguments` does.
std::vector<char*> pointers(std::vector<std::string>& arguments) {
  std::vector<char*> out;
  for (std::string& argument : arguments) out.push_back(argument.data());
  out.push_back(nullptr);
  return out;
}

/// Beside the installed program, otherwise in the source tree it was built from.
std::filesystem::path find_script() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path places[] = {
      program.parent_path() / LAZYLLM_DATA_FROM_BIN / "lazyllm/report/report.py",
      std::filesystem::path(LAZYLLM_REPORT_SOURCE) / "report.py"};
  for (const std::filesystem::path& place : places) {
    if (std::filesystem::is_regular_file(place, error)) return place.lexically_normal();
  }
  throw Error(ErrorCode::io,
              fmt::format("the report's script is neither {} nor {}; install lazyllm again",
                          places[0].lexically_normal().string(), places[1].string()));
}

/// Whether this interpreter exists and finds NumPy and, with plots, matplotlib.
bool can_report(const std::string& python, bool plots) {
  std::vector<std::string> arguments = {python, "-c", kProbe, "numpy"};
  if (plots) arguments.emplace_back("matplotlib");
  posix_spawn_file_actions_t silent;
  posix_spawn_file_actions_init(&silent);
  posix_spawn_file_actions_addopen(&silent, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&silent, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int refused =
      posix_spawnp(&child, python.c_str(), &silent, nullptr, pointers(arguments).data(), environ);
  posix_spawn_file_actions_destroy(&silent);
  if (refused != 0) return false;
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return false;
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// Debian's own interpreter is tried as well: another one in the path often lacks its packages.
std::string find_python(bool plots) {
  const char* chosen = std::getenv(kPythonVariable);
  if (chosen != nullptr && *chosen != '\0') {
    if (can_report(chosen, plots)) return chosen;
    throw Error(ErrorCode::unsupported,
                fmt::format("{}={}: no Python 3 with NumPy and matplotlib; unset it or install "
                            "them there",
                            kPythonVariable, chosen));
  }
  for (const char* python : {"python3", "/usr/bin/python3"}) {
    if (can_report(python, plots)) return python;
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("the report needs Python 3 with NumPy and matplotlib; on Debian: apt-get "
                          "install python3 python3-numpy python3-matplotlib (or set {} to a Python "
                          "that has them)",
                          kPythonVariable));
}

[[noreturn]] void report(const ReportOptions& options) {
  const std::string script = find_script();
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
  execvp(python.c_str(), pointers(arguments).data());
  throw Error(ErrorCode::io, fmt::format("cannot start {}: {}", python, std::strerror(errno)));
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
