// SPDX-License-Identifier: Apache-2.0
#include "engine/stop_strings.h"

#include <algorithm>
#include <utility>

namespace lazyllm::engine {

StopStrings::StopStrings(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string& stop) { return stop.empty(); });
}

std::string StopStrings::push(std::string_view text) {
  if (hit_) return {};
  held_ += text;
  size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    hit_ = true;
    std::string shown = held_.substr(0, first);
    held_.clear();
    return shown;
  }
  // The longest end of the text that is a beginning of a stop string must wait.
  size_t waiting = 0;
  for (const std::string& stop : stops_) {
    for (size_t length = std::min(stop.size() - 1, held_.size()); length > waiting; --length) {
      if (std::string_view(held_).ends_with(std::string_view(stop).substr(0, length))) {
        waiting = length;
        break;
      }
    }
  }
  std::string shown = held_.substr(0, held_.size() - waiting);
  held_.erase(0, held_.size() - waiting);
  return shown;
}

std::string StopStrings::finish() {
  return hit_ ? std::string() : std::exchange(held_, {});
}

}  // namespace lazyllm::engine
