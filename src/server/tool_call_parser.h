// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/model.h"
#include "server/call_scanner.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// A piece of a call while it is written. The first has id and name, the last `ends`; one may be
/// both.
struct CallPiece {
  size_t index = 0;  ///< of the call within the answer
  std::string id, name;
  std::string arguments;  ///< what is new of them
  bool begins = false, ends = false;
};

/// Finds calls of tools in an answer while it is written, in the forms that families of models were
/// trained with. What is no call stays text.
///
///   <tool_call>{"name", "arguments"}</tool_call>                    Qwen, Hermes and many others
///   <tool_call><function=NAME><parameter=P>V</parameter></function></tool_call>    Qwen3-Coder
///   <|tool_call_start|>[NAME(KEY=VALUE, ...), ...]<|tool_call_end|>    LFM2; where the tags are no
///                                                 text the list at the answer's beginning
///   {"name", "parameters"} as the whole answer                      Llama 3
///   [{"name", "arguments"}, ...] or NAME{arguments} as the whole answer    Mistral, Granite, whose
///                                                 tokens before it are no text
///
/// The arguments of the first form, and of a forced call, come while they are written.
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
    std::vector<CallPiece> calls;
  };
  /// What is certain now.
  Output push(std::string_view text);
  /// The rest, when the answer ended. Of a call that breaks off within its arguments (a forced one:
  /// behind its name) the arguments are what there is of them; another unfinished call is text.
  Output finish();

 private:
  enum class Beginning { unknown, text, call };
  /// Of a call whose arguments come while they are written.
  enum class Phase {
    none,
    arguments,
    rest,  ///< of the call's own object
    tail,  ///< the closing tag
  };
  Beginning look_at_beginning() const;
  void add(Output& output, ToolCall call);
  void take_tagged(Output& output);
  void take_bare(Output& output);
  bool take_text(Output& output);
  bool take_list(Output& output);
  bool take_call(Output& output);
  bool begin_arguments(Output& output, size_t at);
  void take_arguments(Output& output);
  void take_rest();
  bool take_tail();

  Form form_;
  std::string held_;
  Beginning beginning_ = Beginning::unknown;  ///< is the whole answer a call without tags?
  size_t calls_ = 0;                          ///< begun so far
  Phase phase_ = Phase::none;
  JsonFollower follower_;    ///< of the call's object
  bool in_call_ = false;     ///< between tags
  bool in_list_ = false;     ///< between those around a list
  bool after_call_ = false;  ///< white space there belongs to nobody
};

}  // namespace lazyllm::server
