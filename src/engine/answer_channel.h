// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>

#include "lazyllm/scheduler.h"

namespace lazyllm::engine {

/// Wakes the scheduler's thread when there may be something to do. Thread-safe.
class Bell {
 public:
  void ring();
  /// Waits until it has rung since the last call.
  void wait();

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool rung_ = false;
};

/// What passes between the thread that computes an answer and the one that reads it. Thread-safe.
class AnswerChannel {
 public:
  explicit AnswerChannel(std::shared_ptr<Bell> bell) : bell_(std::move(bell)) {}

  /// Unread progress is replaced by newer progress. Nothing may come behind an AnswerEnd.
  void push(AnswerEvent event);
  /// Ends it with an error where even an event cannot be made (no memory). Never throws.
  void break_off(const Error& error) noexcept;
  std::optional<AnswerEvent> wait(std::chrono::milliseconds limit);

  void cancel();
  const std::atomic<bool>& cancelled() const { return cancelled_; }

 private:
  std::shared_ptr<Bell> bell_;
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;
  std::condition_variable condition_;
  std::deque<AnswerEvent> events_;
  std::optional<Error> broken_;  // comes as the last event
};

/// The reader's end; cancels when it goes.
class ChannelAnswer : public Answer {
 public:
  explicit ChannelAnswer(std::shared_ptr<AnswerChannel> channel) : channel_(std::move(channel)) {}
  ~ChannelAnswer() override { channel_->cancel(); }
  std::optional<AnswerEvent> wait(std::chrono::milliseconds limit) override {
    return channel_->wait(limit);
  }
  void cancel() override { channel_->cancel(); }

 private:
  std::shared_ptr<AnswerChannel> channel_;
};

}  // namespace lazyllm::engine
