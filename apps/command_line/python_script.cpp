// SPDX-License-Identifier: Apache-2.0
#include "python_script.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "lazyllm/lazyllm.h"

extern char** environ;

namespace lazyllm::cli {
namespace {

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

}  // namespace

std::string find_script(const std::string& name) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path places[] = {
      program.parent_path() / LAZYLLM_DATA_FROM_BIN / "lazyllm/report" / name,
      std::filesystem::path(LAZYLLM_REPORT_SOURCE) / name};
  for (const std::filesystem::path& place : places) {
    if (std::filesystem::is_regular_file(place, error)) return place.lexically_normal().string();
  }
  throw Error(ErrorCode::io,
              fmt::format("its script is neither {} nor {}; install lazyllm again",
                          places[0].lexically_normal().string(), places[1].string()));
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

void become(std::vector<std::string> arguments) {
  execvp(arguments.front().c_str(), pointers(arguments).data());
  throw Error(ErrorCode::io,
              fmt::format("cannot start {}: {}", arguments.front(), std::strerror(errno)));
}

}  // namespace lazyllm::cli
