// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lazyllm::server {

/// One line of the log: name=value, values quoted where they need it, unprintable bytes escaped.
/// Never holds text of a prompt or an answer.
class LogLine {
 public:
  explicit LogLine(std::string_view level, std::string_view event);
  LogLine& add(std::string_view name, std::string_view value);
  LogLine& add(std::string_view name, int64_t value);
  LogLine& add(std::string_view name, double value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Writes to stderr, whole lines also from many threads.
void write_log(const LogLine& line);

/// 32 hexadecimal digits, different for each request.
std::string new_request_id();

}  // namespace lazyllm::server
