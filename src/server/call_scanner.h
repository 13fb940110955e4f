// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lazyllm::server {

/// Follows a JSON text through its brackets and strings, character by character.
class JsonFollower {
 public:
  void take(char c);
  int depth() const { return depth_; }  ///< open brackets
  bool in_string() const { return quoted_; }

 private:
  int depth_ = 0;
  bool quoted_ = false, escaped_ = false;
};

/// The end of the JSON object or list that `text` begins with; npos: it is not complete.
size_t json_end(std::string_view text);

/// The head of a call: {"name": "NAME", "arguments": { up to, but without, the last brace.
struct CallHead {
  std::string name;  ///< empty: not yet complete
  size_t size = 0;   ///< of the head; 0: not yet complete
};

/// Finds the head of the call that `text` begins with.
CallHead call_head(std::string_view text);

}  // namespace lazyllm::server
