// SPDX-License-Identifier: Apache-2.0
#include "engine/depth_recorder.h"

#include <utility>

namespace lazyllm::engine {

void DepthRecorder::start(const lazy::Sequence& sequence, std::vector<int64_t> sequence_indices) {
  clear();
  sequence_indices_ = std::move(sequence_indices);
  depths_.reserve(sequence_indices_.size());
  for (const int64_t index : sequence_indices_) {
    depths_.push_back(index < 0 ? 0 : sequence.depth(index));
  }
  report_.depths = depths_;
}

void DepthRecorder::note_step(const std::function<int(int64_t)>& depth_of, bool revived) {
  ++steps_;
  if (!revived) return;
  for (size_t token = 0; token < depths_.size(); ++token) {
    if (sequence_indices_[token] < 0) continue;
    const int depth = depth_of(sequence_indices_[token]);
    if (depth == depths_[token]) continue;
    depths_[token] = depth;
    report_.revivals.push_back({steps_, static_cast<int64_t>(token), depth});
  }
}

void DepthRecorder::clear() {
  sequence_indices_.clear();
  depths_.clear();
  steps_ = 0;
  report_ = {};
}

}  // namespace lazyllm::engine
