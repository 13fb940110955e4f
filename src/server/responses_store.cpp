// SPDX-License-Identifier: Apache-2.0
#include "server/responses_store.h"

#include <fmt/format.h>

namespace lazyllm::server {

void ResponsesStore::put(const std::string& id, Stored stored) {
  // Its text stands for its memory.
  const size_t bytes =
      dump(stored.response).size() + dump(stored.messages).size() + dump(stored.input).size();
  const std::lock_guard lock(mutex_);
  entries_.push_back({id, std::move(stored), bytes});
  by_id_[id] = std::prev(entries_.end());
  bytes_ += bytes;
  while (entries_.size() > most_ || (bytes_ > most_bytes_ && entries_.size() > 1))
    drop(entries_.begin());
}

ResponsesStore::Stored ResponsesStore::get(const std::string& id, const std::string& param) const {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found != by_id_.end()) return found->second->stored;
  throw RequestError(404, "invalid_request_error", "previous_response_not_found",
                     fmt::format("there is no response \"{}\" any more; send the whole "
                                 "conversation as input",
                                 id.substr(0, 200)),
                     param);
}

bool ResponsesStore::erase(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return false;
  drop(found->second);
  return true;
}

void ResponsesStore::drop(std::list<Entry>::iterator entry) {
  bytes_ -= entry->bytes;
  by_id_.erase(entry->id);
  entries_.erase(entry);
}

}  // namespace lazyllm::server
