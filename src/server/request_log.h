// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lazyllm::server {

enum class LogFormat {
  text,  ///< name=value, values quoted where they need it, unprintable bytes escaped
  json,  ///< an object a line; numbers are numbers
};

/// One line of the log. Never holds text of a prompt or an answer.
class LogLine {
 public:
  explicit LogLine(std::string_view level, std::string_view event);
  LogLine& add(std::string_view name, std::string_view value);
  LogLine& add(std::string_view name, int64_t value);
  LogLine& add(std::string_view name, double value);
  std::string text(LogFormat format = LogFormat::text) const;

 private:
  struct Field {
    std::string name, value;
    bool is_number;
  };
  std::vector<Field> fields_;
};

/// Where and how write_log() writes; stderr and text before the first call. An empty path is
/// stderr. Called again with the same path it opens the file anew, as after a rotation. Errors:
/// Error(io).
void set_log(const std::string& path, LogFormat format);

/// Writes whole lines, also from many threads.
void write_log(const LogLine& line);

/// 32 hexadecimal digits, different for each request.
std::string new_request_id();

}  // namespace lazyllm::server
