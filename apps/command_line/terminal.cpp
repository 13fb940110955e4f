// SPDX-License-Identifier: Apache-2.0
#include "terminal.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "lazyllm/error.h"

namespace lazyllm::cli {

ProgressLine::ProgressLine(Elsewhere elsewhere) : terminal_(isatty(STDERR_FILENO) != 0) {
  if (elsewhere == Elsewhere::kSilent) return;
  const char* given = std::getenv("LAZYLLM_PROGRESS_SECONDS");
  const double seconds = given == nullptr ? 0.0 : std::strtod(given, nullptr);
  pause_ = std::chrono::duration<double>(seconds > 0.0 ? seconds : 60.0);
}
ProgressLine::~ProgressLine() {
  clear();
}

void ProgressLine::show(std::string_view what, double share, std::string_view detail) {
  if (!terminal_) return show_line(what, share, detail);
  const auto now = std::chrono::steady_clock::now();
  if (shown_ && now - last_ < std::chrono::milliseconds(80)) return;
  last_ = now;
  shown_ = true;
  constexpr int kWidth = 24;
  const int filled = static_cast<int>(share * kWidth);
  const std::string line = fmt::format(
      "\r{:<8} [{}{}] {:3.0f} %  {}\033[K", what, std::string(static_cast<size_t>(filled), '#'),
      std::string(static_cast<size_t>(kWidth - filled), '.'), share * 100.0, detail);
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

void ProgressLine::show_line(std::string_view what, double share, std::string_view detail) {
  const auto now = std::chrono::steady_clock::now();
  if (pause_.count() <= 0.0 || now - last_ < pause_) return;
  last_ = now;
  std::fputs(fmt::format("{}: {:.0f} %, {}\n", what, share * 100.0, detail).c_str(), stderr);
}

void ProgressLine::clear() {
  if (!shown_) return;
  std::fputs("\r\033[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

bool use_color(std::string_view choice, int descriptor) {
  if (choice == "on" || choice.empty()) return true;
  if (choice == "off") return false;
  return isatty(descriptor) != 0 && std::getenv("NO_COLOR") == nullptr;
}

int terminal_width(int descriptor) {
  winsize size{};
  if (ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

void write_out(std::string_view text) {
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) {
    throw Error(ErrorCode::io, fmt::format("cannot write to stdout: {}", std::strerror(errno)));
  }
}

uint64_t peak_rss_bytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

InterruptHandler::InterruptHandler(void (*handler)(int))
    : previous_(std::signal(SIGINT, handler)) {}
InterruptHandler::~InterruptHandler() {
  std::signal(SIGINT, previous_);
}

}  // namespace lazyllm::cli
