// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_channel.h"

#include <utility>

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

void AnswerChannel::break_off(const Error& error) noexcept {
  {
    const std::lock_guard lock(mutex_);
    broken_ = error;  // an exception's text is shared, so that copying it takes no memory
  }
  condition_.notify_one();
}

std::optional<AnswerEvent> AnswerChannel::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  const auto has_news = [this] { return !events_.empty() || broken_; };
  if (!condition_.wait_for(lock, limit, has_news)) return std::nullopt;
  if (events_.empty()) {
    AnswerEnd end;
    end.reason = FinishReason::cancelled;
    end.error = std::exchange(broken_, std::nullopt);
    return end;
  }
  AnswerEvent event = std::move(events_.front());
  events_.pop_front();
  return event;
}

void AnswerChannel::cancel() {
  cancelled_ = true;
  bell_->ring();
}

}  // namespace lazyllm::engine
