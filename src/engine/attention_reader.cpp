// SPDX-License-Identifier: Apache-2.0
#include "engine/attention_reader.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "lazy/scores/score_form.h"

namespace lazyllm::engine {
namespace {

/// Rising, disjoint, not empty, within begin .. end.
bool in_order(std::span<const TokenRange> ranges, int64_t begin, int64_t end) {
  for (const TokenRange& range : ranges) {
    if (range.begin < begin || range.end <= range.begin || range.end > end) return false;
    begin = range.end;
  }
  return !ranges.empty();
}

std::vector<AttentionHead> all_heads(const model::Hyperparameters& h) {
  std::vector<AttentionHead> heads;
  for (int layer = 0; layer + 1 < h.kv_layers(); ++layer) {
    if (!h.full_attention(layer)) continue;
    for (int head = 0; head < h.heads; ++head) heads.push_back({layer + 1, head + 1});
  }
  return heads;
}

}  // namespace

AttentionReader::AttentionReader(const AttentionQuestion& question, int64_t prompt_tokens,
                                 const model::Hyperparameters& h, const lazy::StepPart& part)
    : part_(part),
      parts_(question.parts),
      queries_(question.queries),
      by_head_(question.by_head),
      q_size_(h.widest_q()) {
  check(question, prompt_tokens, h);
  score_.window = static_cast<int>(prompt_tokens - queries_.front().begin);
  const std::vector<AttentionHead> heads = question.heads.empty() ? all_heads(h) : question.heads;
  if (heads.empty()) fail(ErrorCode::unsupported, "no layer of this model attends over the prompt");
  const float share = 1.0f / static_cast<float>(heads.size());
  for (const AttentionHead& head : heads) {
    auto& weights =
        weights_.try_emplace(head.layer, std::vector<float>(static_cast<size_t>(h.heads), 0.0f))
            .first->second;
    weights[static_cast<size_t>(head.head) - 1] = share;
  }
  if (!by_head_) result_.push_back({{}, std::vector<float>(queries_.size() * parts_.size())});
}

void AttentionReader::check(const AttentionQuestion& question, int64_t prompt_tokens,
                            const model::Hyperparameters& h) const {
  const bool orderly = in_order(parts_, 0, prompt_tokens) &&
                       in_order(queries_, parts_.back().end, prompt_tokens) &&
                       prompt_tokens - queries_.front().begin <= lazy::kMostQueries;
  if (!orderly) {
    fail(ErrorCode::usage,
         "what is looked at and what looks must be ranges of the prompt, rising and not empty, the "
         "latter within its last {} tokens",
         lazy::kMostQueries);
  }
  for (const AttentionHead& head : question.heads) {
    if (head.layer >= 1 && head.layer < h.kv_layers() && head.head >= 1 && head.head <= h.heads &&
        h.full_attention(head.layer - 1)) {
      continue;
    }
    fail(
        ErrorCode::usage,
        "there is no head {}.{} that attends over the whole prompt; the model has layers 1 to {} "
        "(the last one does not count, nor one that reads keys and values of another) with heads 1 "
        "to {}",
        head.layer, head.head, h.kv_layers() - 1, h.heads);
  }
}

void AttentionReader::combine(int layer, std::span<const int32_t> set, std::span<float>) {
  seen_.resize(set.size());
  const std::vector<float>& weights = weights_.at(layer);
  if (!by_head_) return add(layer, weights, result_.front());
  std::vector<float> only(weights.size(), 0.0f);
  for (size_t head = 0; head < weights.size(); ++head) {
    if (weights[head] == 0.0f) continue;
    only[head] = 1.0f;
    result_.push_back(
        {{layer, static_cast<int>(head) + 1}, std::vector<float>(queries_.size() * parts_.size())});
    add(layer, only, result_.back());
    only[head] = 0.0f;
  }
}

/// The set is the whole prompt: nothing was pruned, so a token's place in it is its position.
void AttentionReader::add(int layer, std::span<const float> weights, HeadAttention& to) {
  const std::span<const int32_t> scoring = part_.scoring_tokens();
  auto mass = to.mass.begin();
  for (const TokenRange& group : queries_) {
    const auto first = static_cast<size_t>(group.begin - scoring.front());
    part_.weighted_attention(layer - 1, weights, first,
                             static_cast<size_t>(group.end - group.begin), seen_);
    for (const TokenRange& part : parts_) {
      double sum = 0.0;
      for (int64_t i = part.begin; i < part.end; ++i)
        sum += static_cast<double>(seen_[static_cast<size_t>(i)]);
      *mass++ += static_cast<float>(sum);
    }
  }
}

uint64_t AttentionReader::bytes() const {
  const uint64_t results = by_head_ ? weights_.size() * weights_.begin()->second.size() : 1;
  return static_cast<uint64_t>(score_.window) * static_cast<uint64_t>(q_size_) * sizeof(float) +
         results * queries_.size() * parts_.size() * sizeof(float);
}

std::vector<HeadAttention> AttentionReader::take() {
  for (const HeadAttention& one : result_) {
    if (!std::all_of(one.mass.begin(), one.mass.end(), [](float x) { return std::isfinite(x); })) {
      fail(ErrorCode::invalid_file,
           "the model computed an attention that is no number; its file is damaged");
    }
  }
  return std::move(result_);
}

}  // namespace lazyllm::engine
