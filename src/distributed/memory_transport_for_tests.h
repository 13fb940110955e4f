// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <tuple>
#include <vector>

#include "distributed/transport.h"

namespace lazyllm::distributed {

/// Ranks that are threads of one process.
class MemoryTransport final : public Transport {
 public:
  /// One for each rank; all have the same messages.
  static std::vector<std::unique_ptr<MemoryTransport>> make(int size) {
    auto shared = std::make_shared<Messages>();
    std::vector<std::unique_ptr<MemoryTransport>> all;
    for (int rank = 0; rank < size; ++rank) {
      all.emplace_back(new MemoryTransport(shared, rank, size));
    }
    return all;
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void send(int to, Channel channel, Message message) override {
    const std::lock_guard lock(shared_->mutex);
    shared_->waiting[{rank_, to, channel}].push_back(std::move(message));
    shared_->arrived.notify_all();
  }
  Message receive(int from, Channel channel) override {
    std::unique_lock lock(shared_->mutex);
    std::deque<Message>& waiting = shared_->waiting[{from, rank_, channel}];
    shared_->arrived.wait(lock, [&] { return !waiting.empty(); });
    Message message = std::move(waiting.front());
    waiting.pop_front();
    return message;
  }

 private:
  struct Messages {
    std::mutex mutex;
    std::condition_variable arrived;
    std::map<std::tuple<int, int, Channel>, std::deque<Message>> waiting;
  };
  MemoryTransport(std::shared_ptr<Messages> shared, int rank, int size)
      : shared_(std::move(shared)), rank_(rank), size_(size) {}

  std::shared_ptr<Messages> shared_;
  int rank_, size_;
};

}  // namespace lazyllm::distributed
