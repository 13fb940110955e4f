// SPDX-License-Identifier: Apache-2.0
#include "line_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>

#ifdef LAZYLLM_WITH_LINE_EDITING
#include <editline/readline.h>
#endif

namespace lazyllm::cli {
namespace {

#ifdef LAZYLLM_WITH_LINE_EDITING

constexpr int kMostLines = 1000;

/// Empty: nothing is kept.
std::string history_file() {
  namespace fs = std::filesystem;
  if (const char* given = std::getenv("LAZYLLM_HISTORY")) return given;
  const char* state = std::getenv("XDG_STATE_HOME");
  const char* home = std::getenv("HOME");
  if (state == nullptr && home == nullptr) return {};
  const fs::path folder = state != nullptr && *state != '\0'
                              ? fs::path(state)
                              : fs::path(home == nullptr ? "" : home) / ".local/state";
  std::error_code error;
  fs::create_directories(folder / "lazyllm", error);
  return error ? std::string() : (folder / "lazyllm" / "history").string();
}

#endif

}  // namespace

LineReader::LineReader() : interactive_(isatty(STDIN_FILENO) != 0 && isatty(STDERR_FILENO) != 0) {
#ifdef LAZYLLM_WITH_LINE_EDITING
  if (!interactive_) return;
  std::setlocale(LC_CTYPE, "");  // how many columns a character takes
  rl_readline_name = "lazyllm";
  rl_outstream = stderr;  // stdout is for answers
  rl_initialize();
  using_history();
  stifle_history(kMostLines);
  history_file_ = history_file();
  if (!history_file_.empty()) read_history(history_file_.c_str());
#endif
}

LineReader::~LineReader() = default;

bool LineReader::edit(std::string& line, const char* prompt) {
#ifdef LAZYLLM_WITH_LINE_EDITING
  char* const typed = readline(prompt);
  if (typed == nullptr) return false;
  line = typed;
  std::free(typed);
  if (line.find_first_not_of(' ') != std::string::npos) {
    add_history(line.c_str());
    keep();
  }
  return true;
#else
  std::fputs(prompt, stderr);
  std::fflush(stderr);
  return static_cast<bool>(std::getline(std::cin, line));
#endif
}

void LineReader::keep() {
#ifdef LAZYLLM_WITH_LINE_EDITING
  if (history_file_.empty()) return;
  const mode_t before = umask(S_IRWXG | S_IRWXO);  // questions are nobody else's business
  write_history(history_file_.c_str());
  umask(before);
#endif
}

bool LineReader::read_one(std::string& line, const char* prompt) {
  if (interactive_) return edit(line, prompt);
  return static_cast<bool>(std::getline(std::cin, line));
}

bool LineReader::read(std::string& line, bool bold) {
  // Escapes between \1 and \2 take no columns.
  if (!read_one(line, bold ? "\1\033[1m\1> \1\033[0m\1" : "> ")) return false;
  while (line.ends_with('\\')) {
    line.back() = '\n';
    std::string more;
    if (!read_one(more, ". ")) break;
    line += more;
  }
  if (line.ends_with('\r')) line.pop_back();
  if (first_ && line.starts_with("\xef\xbb\xbf")) line.erase(0, 3);  // a byte-order mark
  first_ = false;
  return true;
}

}  // namespace lazyllm::cli
