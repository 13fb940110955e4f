// SPDX-License-Identifier: Apache-2.0
#include "server/request_log.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <random>

namespace lazyllm::server {
namespace {

std::string now() {
  using namespace std::chrono;
  const auto time = system_clock::now();
  const auto milliseconds =
      duration_cast<std::chrono::milliseconds>(time.time_since_epoch()) % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(time)),
                     milliseconds.count());
}

void append_value(std::string& out, std::string_view value) {
  constexpr size_t kMostBytes = 300;
  const bool plain = !value.empty() && value.size() <= kMostBytes &&
                     value.find_first_of(" \"=\\") == std::string_view::npos;
  if (!plain) out += '"';
  for (const char c : value.substr(0, kMostBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7F || byte >= 0x80) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  if (value.size() > kMostBytes) out += "...";
  if (!plain) out += '"';
}

}  // namespace

LogLine::LogLine(std::string_view level, std::string_view event) {
  text_ = "time=" + now();
  add("level", level).add("event", event);
}

LogLine& LogLine::add(std::string_view name, std::string_view value) {
  text_ += ' ';
  text_ += name;
  text_ += '=';
  append_value(text_, value);
  return *this;
}

LogLine& LogLine::add(std::string_view name, int64_t value) {
  return add(name, std::to_string(value));
}

LogLine& LogLine::add(std::string_view name, double value) {
  return add(name, fmt::format("{:.3f}", value));
}

void write_log(const LogLine& line) {
  const std::string text = line.text() + '\n';
  // One call, so that lines of several threads do not mix. A log that cannot be written stops
  // nothing.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string new_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{:016x}{:016x}", random(), random());
}

}  // namespace lazyllm::server
