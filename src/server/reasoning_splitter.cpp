// SPDX-License-Identifier: Apache-2.0
#include "server/reasoning_splitter.h"

#include <algorithm>
#include <utility>

#include "server/possible_begin.h"

namespace lazyllm::server {
namespace {

constexpr std::string_view kOpen = "<think>", kClose = "</think>";
constexpr std::string_view kSpace = " \t\r\n";

size_t leading_space(std::string_view text) {
  return std::min(text.find_first_not_of(kSpace), text.size());
}

}  // namespace

ReasoningSplitter::ReasoningSplitter(Mode mode)
    : state_(mode == Mode::off    ? State::text
             : mode == Mode::open ? State::thinking
                                  : State::beginning) {}

/// Says what is held as thought, but for white space at its end.
void ReasoningSplitter::think(Output& output) {
  const size_t close = held_.find(kClose);
  const bool closed = close != std::string::npos;
  const size_t certain = closed ? close : held_.size() - possible_begin(held_, kClose);
  space_ += held_.substr(0, certain);
  held_.erase(0, certain + (closed ? kClose.size() : 0));
  if (!thought_) space_.erase(0, leading_space(space_));
  const size_t end = space_.find_last_not_of(kSpace) + 1;  // of npos: 0
  output.reasoning += space_.substr(0, end);
  space_.erase(0, end);
  thought_ = thought_ || end > 0;
  if (closed) state_ = State::behind;
}

ReasoningSplitter::Output ReasoningSplitter::push(std::string_view piece) {
  Output output;
  held_ += piece;
  if (state_ == State::beginning) {
    const std::string_view begun = std::string_view(held_).substr(leading_space(held_));
    if (begun.starts_with(kOpen)) {
      held_.erase(0, leading_space(held_) + kOpen.size());
      state_ = State::thinking;
    } else if (!kOpen.starts_with(begun)) {
      state_ = State::text;
    } else {
      return output;
    }
  }
  if (state_ == State::thinking) think(output);
  if (state_ == State::behind) {
    held_.erase(0, leading_space(held_));
    if (held_.empty()) return output;
    state_ = State::text;
  }
  if (state_ == State::text) output.text = std::exchange(held_, {});
  return output;
}

ReasoningSplitter::Output ReasoningSplitter::finish() {
  Output output;
  if (state_ != State::thinking) {
    output.text = std::exchange(held_, {});
  } else if (!held_.empty()) {
    output.reasoning = space_ + std::exchange(held_, {});
  }
  return output;
}

bool ends_in_thought(std::string_view prompt) {
  prompt = prompt.substr(0, prompt.find_last_not_of(kSpace) + 1);
  return prompt.ends_with(kOpen);
}

}  // namespace lazyllm::server
