// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::jinja {

/// Where bytes came from: the template itself or the conversation, and there from which part.
struct Origin {
  // NOLINTNEXTLINE(google-explicit-constructor): most callers only tell the two apart.
  Origin(bool is_template, int32_t conversation_part = 0)
      : from_template(is_template), part(conversation_part) {}

  bool from_template;
  int32_t part;  ///< as given to Value::from_json; 0: not known

  bool operator==(const Origin&) const = default;
};

/// A string of a template together with the origin of each byte. Equality looks at the bytes only.
/// Indices are bytes; unicode.h counts characters.
class Text {
 public:
  /// Bytes up to `end` (from the end of the run before) have one origin.
  struct Run {
    size_t end;
    Origin origin;
  };

  Text() = default;
  Text(std::string bytes, Origin origin);

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  const std::vector<Run>& runs() const { return runs_; }

  Origin origin_at(size_t byte) const;
  /// True for an empty text too.
  bool all_from_template() const;

  void append(std::string_view bytes, Origin origin);
  void append(const Text& other) { append_range(other, 0, other.size()); }
  void append_range(const Text& other, size_t begin, size_t end);
  Text range(size_t begin, size_t end) const;
  void reserve(size_t bytes) { bytes_.reserve(bytes); }

 private:
  std::string bytes_;
  std::vector<Run> runs_;
};

}  // namespace lazyllm::jinja
