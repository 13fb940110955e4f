// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <mutex>
#include <string>
#include <unordered_map>

#include "server/json_body.h"

namespace lazyllm::server {

/// Answers of /v1/responses that a later request may go on from. The oldest go first when there are
/// too many or they take too much memory. Thread-safe.
class ResponsesStore {
 public:
  explicit ResponsesStore(size_t most_bytes = size_t{64} << 20, size_t most = 4096)
      : most_bytes_(most_bytes), most_(most) {}

  struct Stored {
    Json response;  ///< as it was answered
    Json messages;  ///< the conversation to its end, as of a chat
    Json input;     ///< the items that were given with it
  };
  void put(const std::string& id, Stored stored);
  /// Errors: RequestError 404 that names `param`.
  Stored get(const std::string& id, const std::string& param) const;
  /// Whether it was there.
  bool erase(const std::string& id);

 private:
  struct Entry {
    std::string id;
    Stored stored;
    size_t bytes;
  };
  void drop(std::list<Entry>::iterator entry);

  const size_t most_bytes_, most_;
  mutable std::mutex mutex_;
  std::list<Entry> entries_;  ///< the oldest first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_id_;
  size_t bytes_ = 0;
};

}  // namespace lazyllm::server
