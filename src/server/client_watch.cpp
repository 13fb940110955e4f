// SPDX-License-Identifier: Apache-2.0
#include "server/client_watch.h"

#include <chrono>
#include <system_error>

#include "server/request_error.h"

namespace lazyllm::server {

ClientWatch::ClientWatch(const Peer& peer) {
  static constexpr std::chrono::milliseconds kInterval(100);
  try {
    thread_ = std::jthread([this, &peer](const std::stop_token& over) {
      std::unique_lock lock(mutex_);
      while (!over.stop_requested()) {
        if (peer.gone()) {
          gone_.request_stop();
          return;
        }
        over_.wait_for(lock, over, kInterval, [] { return false; });
      }
    });
  } catch (const std::system_error&) {
    // No room for a thread: what is watched goes on to its own limits.
  }
}

void ClientWatch::check() const {
  if (gone_.stop_requested()) {
    throw RequestError(499, "client_error", "client_gone", "the client went away");
  }
}

}  // namespace lazyllm::server
