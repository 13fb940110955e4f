// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm::server {

/// Takes what a model thinks, <think>...</think> at the beginning of its answer, out of the text
/// while it is written. White space around both is dropped.
class ReasoningSplitter {
 public:
  enum class Mode {
    off,        ///< everything is text
    automatic,  ///< an answer that begins with <think> thinks
    open,       ///< the prompt ends with <think>: the answer begins within
  };
  explicit ReasoningSplitter(Mode mode);

  struct Output {
    std::string reasoning, text;
  };
  /// What is certain now.
  Output push(std::string_view piece);
  /// The rest, when the answer ended. What was never closed is still thought.
  Output finish();

 private:
  enum class State { beginning, thinking, behind, text };
  void think(Output& output);

  State state_;
  std::string held_;
  std::string space_;     ///< behind the last thought, perhaps its end
  bool thought_ = false;  ///< something was said to be thought
};

/// Whether a prompt ends within what is thought.
bool ends_in_thought(std::string_view prompt);

}  // namespace lazyllm::server
