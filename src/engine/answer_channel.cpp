// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_channel.h"

namespace lazyllm::engine {

void Bell::ring() {
  {
    const std::lock_guard lock(mutex_);
    rung_ = true;
  }
  condition_.notify_one();
}

void Bell::wait() {
  std::unique_lock lock(mutex_);
  condition_.wait(lock, [this] { return rung_; });
  rung_ = false;
}

void AnswerChannel::push(AnswerEvent event) {
  {
    const std::lock_guard lock(mutex_);
    const auto is_progress = [](const AnswerEvent& e) {
      return std::holds_alternative<PrefillProgress>(e);
    };
    if (is_progress(event) && !events_.empty() && is_progress(events_.back())) events_.pop_back();
    events_.push_back(std::move(event));
  }
  condition_.notify_one();
}

std::optional<AnswerEvent> AnswerChannel::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  if (!condition_.wait_for(lock, limit, [this] { return !events_.empty(); })) return std::nullopt;
  AnswerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void AnswerChannel::cancel() {
  cancelled_ = true;
  bell_->ring();
}

}  // namespace lazyllm::engine
