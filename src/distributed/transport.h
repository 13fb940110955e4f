// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace lazyllm::distributed {

using Message = std::vector<std::byte>;

/// What a message is, so that messages of different kinds do not wait for each other.
enum class Channel {
  commands,  ///< from rank 0: what to compute
  replies,   ///< to rank 0
  rows,      ///< hidden rows between any two ranks
};

/// Carries messages between the ranks 0 .. size()-1. Those of one channel between two ranks come in
/// the order in which they were sent. Any thread may send; one thread at a time receives from a
/// rank and channel.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Returns before the message has arrived; waits while much is on its way to this rank.
  virtual void send(int to, Channel channel, Message message) = 0;
  /// Waits for the next one. Errors: a rank that is lost ends the program with a sentence.
  virtual Message receive(int from, Channel channel) = 0;
};

}  // namespace lazyllm::distributed
