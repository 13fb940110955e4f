// SPDX-License-Identifier: Apache-2.0
#include "documents/run_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace lazyllm::documents {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMostComplaint = 2000;
constexpr int kCannotStart = 127;

class Pipe {
 public:
  Pipe() {
    if (pipe2(ends_.data(), O_CLOEXEC) != 0) {
      fail(ErrorCode::io, "no pipe to another program can be made: {}", std::strerror(errno));
    }
  }
  ~Pipe() {
    close_read();
    close_write();
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  int read_end() const { return ends_[0]; }
  int write_end() const { return ends_[1]; }
  void close_read() { close_end(0); }
  void close_write() { close_end(1); }

 private:
  void close_end(size_t i) {
    if (ends_[i] >= 0) close(ends_[i]);
    ends_[i] = -1;
  }
  std::array<int, 2> ends_ = {-1, -1};
};

void limit(int what, uint64_t value) {
  const rlimit both = {static_cast<rlim_t>(value), static_cast<rlim_t>(value)};
  setrlimit(static_cast<decltype(RLIMIT_AS)>(what), &both);
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In the child between fork and exec: only what is safe there while other threads hold locks.
struct Start {
  const char* program;
  char* const* arguments;
  char* const* environment;
  const char* folder;
  int output, complaint;
  const ConversionLimits& limits;
  pid_t parent;

  [[noreturn]] void become() const {
    setpgid(0, 0);
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(kCannotStart);
#endif
    const int nothing = open("/dev/null", O_RDONLY);
    if (chdir(folder) != 0 || dup2(nothing, 0) < 0 || dup2(output, 1) < 0 ||
        dup2(complaint, 2) < 0) {
      _exit(kCannotStart);
    }
    // What the program was not opened with O_CLOEXEC for is not its business.
    for (int descriptor = 3; descriptor < 4096; ++descriptor) close(descriptor);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGXFSZ}) signal(number, SIG_DFL);
    limit(RLIMIT_AS, limits.memory_bytes);
    limit(RLIMIT_FSIZE, limits.output_bytes);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, static_cast<uint64_t>(limits.time.count()) * 4 / 1000 + 1);
    execve(program, arguments, environment);
    _exit(kCannotStart);
  }
};

/// Appends what there is. False: the other end is closed.
bool drain(int descriptor, std::string& text, size_t most) {
  std::array<char, 1 << 16> buffer;
  const ssize_t count = read(descriptor, buffer.data(), buffer.size());
  if (count < 0) return errno == EINTR || errno == EAGAIN;
  if (text.size() < most) {
    text.append(buffer.data(), std::min(static_cast<size_t>(count), most - text.size()));
  }
  return count > 0;
}

/// Reads both streams until they end or a limit is reached.
void listen(Pipe& output, Pipe& complaint, const ConversionLimits& limits, ProgramEnd& end) {
  const Clock::time_point last = Clock::now() + limits.time;
  std::array<pollfd, 2> ends = {
      {{output.read_end(), POLLIN, 0}, {complaint.read_end(), POLLIN, 0}}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(last - Clock::now()).count();
    if (left <= 0) {
      end.how = ProgramEnd::How::out_of_time;
      return;
    }
    const int ready =
        poll(ends.data(), ends.size(), static_cast<int>(std::min<int64_t>(left, 1000)));
    if (ready <= 0) continue;
    if (ends[0].revents != 0 && !drain(ends[0].fd, end.output, limits.output_bytes + 1)) {
      ends[0].fd = -1;
    }
    if (ends[1].revents != 0 && !drain(ends[1].fd, end.complaint, kMostComplaint)) ends[1].fd = -1;
    if (end.output.size() > limits.output_bytes) {
      end.how = ProgramEnd::How::too_much_output;
      return;
    }
  }
}

/// Waits for the process, which has closed its streams or is to be ended, until `last`.
void collect(pid_t process, Clock::time_point last, ProgramEnd& end) {
  int status = 0;
  for (;;) {
    if (end.how != ProgramEnd::How::exited) kill(-process, SIGKILL);
    const pid_t ended = waitpid(process, &status, WNOHANG);
    if (ended == process || (ended < 0 && errno != EINTR)) break;
    if (Clock::now() > last) end.how = ProgramEnd::How::out_of_time;
    usleep(2000);
  }
  kill(-process, SIGKILL);  // what it left behind
  if (end.how != ProgramEnd::How::exited) return;
  if (WIFSIGNALED(status)) {
    end.how = ProgramEnd::How::by_signal;
    end.status = WTERMSIG(status);
  } else {
    end.status = WEXITSTATUS(status);
  }
}

}  // namespace

std::optional<std::filesystem::path> find_program(const std::string& name) {
  const char* const list = std::getenv("PATH");
  std::string_view folders = list == nullptr ? "/usr/local/bin:/usr/bin:/bin" : list;
  while (!folders.empty()) {
    const size_t colon = folders.find(':');
    const std::filesystem::path folder(folders.substr(0, colon));
    folders.remove_prefix(colon == folders.npos ? folders.size() : colon + 1);
    if (!folder.is_absolute()) continue;  // a document's own folder must not supply programs
    const std::filesystem::path program = folder / name;
    std::error_code error;
    if (access(program.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(program, error)) {
      return program;
    }
  }
  return std::nullopt;
}

ProgramEnd run_program(const std::filesystem::path& program,
                       const std::vector<std::string>& arguments,
                       const std::filesystem::path& folder, const ConversionLimits& limits) {
  std::vector<std::string> texts = {program.string()};
  texts.insert(texts.end(), arguments.begin(), arguments.end());
  const char* const path = std::getenv("PATH");
  std::vector<std::string> variables = {
      std::string("PATH=") + (path == nullptr ? "/usr/bin:/bin" : path),
      "LC_ALL=C.UTF-8",
      "HOME=" + folder.string(),
      "TMPDIR=" + folder.string(),
      "GIT_CONFIG_NOSYSTEM=1",
      "GIT_OPTIONAL_LOCKS=0",
      "GIT_TERMINAL_PROMPT=0"};
  const std::vector<char*> argument_pointers = pointers(texts);
  const std::vector<char*> variable_pointers = pointers(variables);
  const std::string folder_name = folder.string();

  Pipe output, complaint;
  const Clock::time_point last = Clock::now() + limits.time;
  const Start start = {texts[0].c_str(),
                       argument_pointers.data(),
                       variable_pointers.data(),
                       folder_name.c_str(),
                       output.write_end(),
                       complaint.write_end(),
                       limits,
                       getpid()};
  const pid_t process = fork();
  if (process < 0) {
    fail(ErrorCode::io, "{} cannot be started: {}", program.string(), std::strerror(errno));
  }
  if (process == 0) start.become();
  setpgid(process, process);  // both do it: whoever comes first
  output.close_write();
  complaint.close_write();

  ProgramEnd end;
  listen(output, complaint, limits, end);
  collect(process, last, end);
  return end;
}

}  // namespace lazyllm::documents
