// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/model.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// Finds calls of tools in an answer while it is written, in the forms that families of models were
/// trained with. What is no call stays text.
///
///   <tool_call>{"name", "arguments"}</tool_call>                    Qwen, Hermes and many others
///   <tool_call><function=NAME><parameter=P>V</parameter></function></tool_call>    Qwen3-Coder
///   {"name", "parameters"} as the whole answer                      Llama 3
///   [{"name", "arguments"}, ...] or NAME{arguments} as the whole answer    Mistral, Granite, whose
///                                                 tokens before it are no text
class ToolCallParser {
 public:
  struct Form {
    enum class Kind {
      none,    ///< everything is text
      tagged,  ///< calls within text, or the whole answer
      bare,    ///< the whole answer is one call or a list of them
    } kind = Kind::none;
    /// OpenAI's list, for the names and the types of arguments; null: not known.
    std::shared_ptr<const Json> tools = nullptr;

    static const Form none, tagged, bare;
  };
  explicit ToolCallParser(Form form) : form_(std::move(form)) {}

  struct Output {
    std::string text;
    std::vector<ToolCall> calls;
  };
  /// What is certain now.
  Output push(std::string_view text);
  /// The rest, when the answer ended. Of a bare call that breaks off behind its name, the
  /// arguments are what there is of them; another unfinished call is text.
  Output finish();

 private:
  enum class Beginning { unknown, text, call };
  Beginning look_at_beginning() const;
  void take_call(Output& output, std::string_view call, std::string_view otherwise);
  void take_tagged(Output& output);

  Form form_;
  std::string held_;
  Beginning beginning_ = Beginning::unknown;  ///< is the whole answer a call without tags?
  bool in_call_ = false;
  bool after_call_ = false;  ///< white space there belongs to nobody
};

}  // namespace lazyllm::server
