// SPDX-License-Identifier: Apache-2.0
#include "engine/verifying_step.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::engine {

bool VerifyingStep::is_chain(const lazy::Policy& policy, int layers) {
  for (int layer = 1; layer < layers; ++layer) {
    if (policy.keep_after(layer, lazy::StepKind::decode)) return true;
  }
  return false;
}

/// What is dropped for good at a token that is taken back could not come again.
bool VerifyingStep::can_draft(const lazy::Policy& policy, int layers) {
  return !policy.permanent() || !is_chain(policy, layers);
}

void VerifyingStep::begin(lazy::Sequence& sequence, lazy::Policy& policy,
                          const MakePolicy& make_policy, lazy::StepRequest request, TokenId token,
                          std::span<const TokenId> drafted) {
  LAZYLLM_CHECK(ahead() == 0);
  sequence_ = &sequence;
  begin_ = sequence.size();
  taken_ = 0;
  depths_.clear();
  parts_.clear();
  tokens_.assign(1, token);
  tokens_.insert(tokens_.end(), drafted.begin(), drafted.end());
  positions_.resize(rows());
  for (size_t row = 0; row < rows(); ++row) {
    positions_[row] = static_cast<int32_t>(begin_ + static_cast<int64_t>(row));
  }
  const auto width = static_cast<size_t>(transformer_.hyperparameters().vocabulary_size);
  logits_.resize(rows() * width);
  request.logits = [this, width](int64_t position, std::span<const float> values) {
    std::copy(values.begin(), values.end(),
              logits_.begin() + (position - begin_) * static_cast<int64_t>(width));
  };
  const bool chain = rows() > 1 && is_chain(policy, transformer_.hyperparameters().kv_layers());
  const size_t count = chain ? rows() : 1;
  while (owned_.size() < count) {
    owned_.push_back(std::make_unique<lazy::StepPart>(transformer_));
  }
  while (policies_.size() + 1 < count) policies_.push_back(make_policy());
  for (size_t i = 0; i < count; ++i) {
    const size_t length = chain ? 1 : rows();
    request.new_tokens = std::span<const int32_t>(tokens_).subspan(i, length);
    request.logit_positions = std::span<const int32_t>(positions_).subspan(i, length);
    request.after = i == 0 ? nullptr : owned_[i - 1].get();
    parts_.push_back(owned_[i].get());
    owned_[i]->begin(sequence, i == 0 ? policy : *policies_[i - 1], request);
  }
}

void VerifyingStep::end() {
  for (const lazy::StepPart* part : parts_) {
    if (!part->failed()) continue;
    const std::exception_ptr failure = part->failure();
    take_back();
    std::rethrow_exception(failure);
  }
}

/// Of rows that are ahead; where several revived a token, the first one counts.
void VerifyingStep::note_depths() {
  depths_.clear();
  for (size_t i = parts_.size(); i-- > taken_;) {
    for (const lazy::StepPart::Revived& revived : parts_[i]->revived()) {
      depths_[revived.token] = revived.depth;
    }
  }
}

VerifyingStep::Row VerifyingStep::take() {
  LAZYLLM_CHECK(ahead() > 0);
  const size_t width = logits_.size() / rows();
  Row row{std::span(logits_).subspan(taken_ * width, width)};
  if (taken_ < parts_.size()) row.revived = parts_[taken_]->report().revived;
  ++taken_;
  if (parts_.size() > 1) note_depths();
  return row;
}

int VerifyingStep::depth(const lazy::Sequence& sequence, int64_t token) const {
  const auto found = depths_.empty() ? depths_.end() : depths_.find(static_cast<int32_t>(token));
  return found == depths_.end() ? sequence.depth(token) : found->second;
}

void VerifyingStep::take_back() {
  if (sequence_ == nullptr) return;
  if (ahead() > 0) {
    for (size_t i = parts_.size(); i-- > std::max<size_t>(taken_, 1);) parts_[i]->take_back();
    sequence_->truncate(begin_ + static_cast<int64_t>(taken_));
  }
  tokens_.clear();
  parts_.clear();
  depths_.clear();
  taken_ = 0;
  sequence_ = nullptr;
}

}  // namespace lazyllm::engine
