// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/model.h"

namespace lazyllm::server {

/// Finds calls of tools in an answer while it is written: <tool_call>{"name",
/// "arguments"}</tool_call> as most chat templates with tools ask for. What is no such call stays
/// text.
class ToolCallParser {
 public:
  enum class Form {
    none,    ///< everything is text
    tagged,  ///< calls between tags within text
    bare,    ///< the whole answer is one call
  };
  explicit ToolCallParser(Form form) : form_(form) {}

  struct Output {
    std::string text;
    std::vector<ToolCall> calls;
  };
  /// What is certain now.
  Output push(std::string_view text);
  /// The rest, when the answer ended: an unfinished call is text.
  Output finish();

 private:
  void take_call(Output& output, std::string_view json, std::string_view otherwise);

  Form form_;
  std::string held_;
  bool in_call_ = false;
  bool after_call_ = false;  // white space there belongs to nobody
};

}  // namespace lazyllm::server
