// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lazyllm::engine {

/// Memory is promised before it is used: an answer begins when what it may come to need fits beside
/// what the others were promised. First come, first served: whoever asks admits() for the first of
/// a queue only lets none be overtaken, so that each comes to its turn. A plain value.
class Admission {
 public:
  Admission(int parallel, uint64_t total_bytes) : parallel_(parallel), total_bytes_(total_bytes) {}

  /// Whether it could ever begin.
  bool can_ever_fit(uint64_t bytes) const { return bytes <= total_bytes_; }
  bool admits(uint64_t bytes) const {
    return running_ < parallel_ && can_ever_fit(bytes) && promised_bytes_ <= total_bytes_ - bytes;
  }
  /// Of one that admits() let in.
  void begin(uint64_t bytes) {
    ++running_;
    promised_bytes_ += bytes;
  }
  void end(uint64_t bytes) {
    --running_;
    promised_bytes_ -= bytes;
  }
  /// Beside the answers, for work that nobody waits for.
  uint64_t free_bytes() const { return total_bytes_ - promised_bytes_; }
  void set_aside(uint64_t bytes) { promised_bytes_ += bytes; }
  void give_back(uint64_t bytes) { promised_bytes_ -= bytes; }
  int running() const { return running_; }
  uint64_t promised_bytes() const { return promised_bytes_; }
  uint64_t total_bytes() const { return total_bytes_; }

 private:
  int parallel_;
  uint64_t total_bytes_;
  int running_ = 0;
  uint64_t promised_bytes_ = 0;
};

}  // namespace lazyllm::engine
