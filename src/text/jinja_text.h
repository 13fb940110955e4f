// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::text::jinja {

/// A string of a template together with where each byte came from: the template
/// itself or the conversation. Equality looks at the bytes only. Indices are
/// bytes; jinja_unicode.h counts characters.
class Text {
 public:
  /// Bytes up to `end` (from the end of the run before) have one origin.
  struct Run {
    size_t end;
    bool from_template;
  };

  Text() = default;
  Text(std::string bytes, bool from_template);

  const std::string& bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }
  const std::vector<Run>& runs() const { return runs_; }

  bool from_template_at(size_t byte) const;
  /// True for an empty text too.
  bool all_from_template() const;

  void append(std::string_view bytes, bool from_template);
  void append(const Text& other) { append_range(other, 0, other.size()); }
  void append_range(const Text& other, size_t begin, size_t end);
  Text range(size_t begin, size_t end) const;
  void reserve(size_t bytes) { bytes_.reserve(bytes); }

 private:
  std::string bytes_;
  std::vector<Run> runs_;
};

}  // namespace lazyllm::text::jinja
