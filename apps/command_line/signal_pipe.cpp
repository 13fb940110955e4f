// SPDX-License-Identifier: Apache-2.0
#include "signal_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "lazyllm/error.h"

namespace lazyllm::cli {
namespace {

// A signal becomes a byte in this pipe, which the main thread reads.
int signal_pipe[2] = {-1, -1};
void on_signal(int signal) {
  const int saved = errno;
  const auto byte = static_cast<char>(signal);
  [[maybe_unused]] const ssize_t written = ::write(signal_pipe[1], &byte, 1);
  errno = saved;
}

}  // namespace

void catch_signals() {
  if (::pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorCode::io, "cannot make a pipe for signals; too many files are open");
  }
  ::fcntl(signal_pipe[0], F_SETFL, 0);  // the reader waits, the handler never does
  struct sigaction action {};
  action.sa_handler = on_signal;
  // SIGHUP reloads, so a terminal that closes cuts no answer.
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) ::sigaction(signal, &action, nullptr);
}

int wait_for_signal() {
  char byte = 0;
  while (::read(signal_pipe[0], &byte, 1) < 0 && errno == EINTR) {
  }
  return byte;
}

}  // namespace lazyllm::cli
