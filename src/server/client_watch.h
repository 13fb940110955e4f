// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <thread>

#include "server/http_message.h"

namespace lazyllm::server {

/// Asks for a stop when the client goes away, for work that asks nobody. Looks ten times a second,
/// on a thread of its own, as long as it lives.
class ClientWatch {
 public:
  explicit ClientWatch(const Peer& peer);

  std::stop_token token() const { return gone_.get_token(); }
  /// Errors: RequestError 499 if the client went away.
  void check() const;

 private:
  std::stop_source gone_;
  std::mutex mutex_;
  std::condition_variable_any over_;
  std::jthread thread_;
};

}  // namespace lazyllm::server
