// SPDX-License-Identifier: Apache-2.0
#include "server/request_log.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <random>
#include <system_error>

#include "base/error.h"

namespace lazyllm::server {
namespace {

constexpr size_t kMostBytes = 300;  // of a value

std::mutex log_mutex;
int log_file = STDERR_FILENO;            // guarded by log_mutex
LogFormat log_format = LogFormat::text;  // guarded by log_mutex

std::string now() {
  using namespace std::chrono;
  const auto time = system_clock::now();
  const auto milliseconds =
      duration_cast<std::chrono::milliseconds>(time.time_since_epoch()) % 1000;
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(system_clock::to_time_t(time)),
                     milliseconds.count());
}

void append_value(std::string& out, std::string_view value) {
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
  add("time", now()).add("level", level).add("event", event);
}

LogLine& LogLine::add(std::string_view name, std::string_view value) {
  fields_.push_back({std::string(name), std::string(value.substr(0, kMostBytes + 1)), false});
  return *this;
}

LogLine& LogLine::add(std::string_view name, int64_t value) {
  fields_.push_back({std::string(name), std::to_string(value), true});
  return *this;
}

LogLine& LogLine::add(std::string_view name, double value) {
  // JSON has no infinity.
  fields_.push_back({std::string(name), fmt::format("{:.3f}", value), std::isfinite(value)});
  return *this;
}

std::string LogLine::text(LogFormat format) const {
  if (format == LogFormat::text) {
    std::string text;
    for (const Field& field : fields_) {
      text += (text.empty() ? "" : " ") + field.name + '=';
      append_value(text, field.value);
    }
    return text;
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const Field& field : fields_) {
    std::string value = field.value.substr(0, kMostBytes);
    if (field.value.size() > kMostBytes) value += "...";
    json[field.name] =
        field.is_number ? nlohmann::ordered_json::parse(value) : nlohmann::ordered_json(value);
  }
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void set_log(const std::string& path, LogFormat format) {
  int opened = STDERR_FILENO;
  if (!path.empty()) {
    opened = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (opened < 0) {
      fail(ErrorCode::io, "{}: cannot be opened for the log: {}", path,
           std::generic_category().message(errno));
    }
  }
  const std::lock_guard lock(log_mutex);
  if (log_file != STDERR_FILENO) ::close(log_file);
  log_file = opened;
  log_format = format;
}

void write_log(const LogLine& line) {
  const std::lock_guard lock(log_mutex);
  const std::string text = line.text(log_format) + '\n';
  // One call, so that lines of several processes do not mix. A log that cannot be written stops
  // nothing.
  [[maybe_unused]] const ssize_t written = ::write(log_file, text.data(), text.size());
}

std::string new_request_id() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return fmt::format("{:016x}{:016x}", random(), random());
}

}  // namespace lazyllm::server
