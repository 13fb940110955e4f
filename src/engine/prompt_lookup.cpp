// SPDX-License-Identifier: Apache-2.0
#include "engine/prompt_lookup.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace lazyllm::engine {
namespace {

constexpr int64_t kShortest = 2;     // tokens of a match
constexpr int kMostCandidates = 64;  // occurrences of a pair that are looked at
constexpr double kForget = 0.95;     // per token: about the last 20 count
constexpr double kPays = 1.05;       // less gain is not worth the risk

}  // namespace

PromptLookup::PromptLookup(int64_t most) : most_(most) {
  // Before anything is known: the longer, the likelier. A pair is a toss of a coin.
  for (int64_t length = kShortest; length <= kLongest; ++length) {
    accuracy_[static_cast<size_t>(length)].right = 1.0 - 1.0 / static_cast<double>(length);
  }
  if (most >= 1 && most <= kMostDraftedTokens) return;
  fail(ErrorCode::usage, "--prompt-lookup {}: write a number of tokens from 0 (off) to {}", most,
       kMostDraftedTokens);
}

void PromptLookup::Accuracy::note(bool is_right) {
  right = kForget * right + (is_right ? 1.0 : 0.0);
  tried = kForget * tried + 1.0;
}

void PromptLookup::follow(std::span<const TokenId> conversation, TokenId token) {
  const bool first = text_.empty();
  for (size_t i = text_.size(); i < conversation.size(); ++i) {
    if (first) {  // the prompt: nothing is guessed in it
      text_.push_back(conversation[i]);
      index_last_pair();
    } else {
      add(conversation[i]);
    }
  }
  add(token);
}

void PromptLookup::add(TokenId token) {
  const bool expected = source_ >= 0;
  const bool right = expected && text_[static_cast<size_t>(source_)] == token;
  if (expected) accuracy_[static_cast<size_t>(std::min<int64_t>(length_, kLongest))].note(right);
  text_.push_back(token);
  if (right) {
    ++source_;
    ++length_;
  } else {
    find_match();
  }
  index_last_pair();
}

/// The two tokens that end with `end`.
uint64_t PromptLookup::pair_at(int64_t end) const {
  const auto at = static_cast<size_t>(end);
  return static_cast<uint64_t>(static_cast<uint32_t>(text_[at - 1])) << 32 |
         static_cast<uint32_t>(text_[at]);
}

void PromptLookup::index_last_pair() {
  const int64_t end = std::ssize(text_) - 1;
  earlier_.push_back(-1);
  if (end < 1) return;
  const auto [entry, is_new] = last_.try_emplace(pair_at(end), static_cast<int32_t>(end));
  if (!is_new) earlier_.back() = std::exchange(entry->second, static_cast<int32_t>(end));
}

/// Tokens before and with text_[end] that are those which the text ends with.
int64_t PromptLookup::match_length(int64_t end) const {
  int64_t length = 0;
  for (int64_t last = std::ssize(text_) - 1; length <= end && length < kLongest; ++length) {
    if (text_[static_cast<size_t>(end - length)] != text_[static_cast<size_t>(last - length)])
      break;
  }
  return length;
}

/// Before the last pair is in the index.
void PromptLookup::find_match() {
  source_ = -1;
  length_ = 0;
  const int64_t last = std::ssize(text_) - 1;
  if (last < kShortest) return;
  const auto entry = last_.find(pair_at(last));
  if (entry == last_.end()) return;
  int64_t end = entry->second;
  for (int tried = 0; end >= 0 && tried < kMostCandidates; ++tried) {
    const int64_t length = match_length(end);
    if (length >= kShortest && length > length_) {
      length_ = length;
      source_ = end + 1;
    }
    end = earlier_[static_cast<size_t>(end)];
  }
}

double PromptLookup::accuracy(int64_t length) const {
  return accuracy_[static_cast<size_t>(std::min<int64_t>(length, kLongest))].rate();
}

/// With the most tokens for the time of a step; 0: none pays.
int64_t PromptLookup::best_length(int64_t most, const StepCost& cost, int64_t rows_beside) const {
  const auto beside = static_cast<double>(rows_beside);
  double best = kPays * (beside + 1.0) / cost.of(rows_beside + 1);
  int64_t chosen = 0;
  double tokens = beside + 1.0, chance = 1.0;
  for (int64_t count = 1; count <= most; ++count) {
    chance *= accuracy(length_ + count - 1);
    tokens += chance;
    const double speed = tokens / cost.of(rows_beside + 1 + count);
    if (speed > best) {
      best = speed;
      chosen = count;
    }
  }
  return chosen;
}

std::span<const TokenId> PromptLookup::propose(int64_t room, const StepCost& cost,
                                               int64_t rows_beside) {
  draft_.clear();
  if (source_ < 0) return draft_;
  const int64_t count = best_length(std::min(room, most_), cost, rows_beside);
  // What repeats itself goes on behind its end as it began.
  for (int64_t i = 0; i < count; ++i) {
    const int64_t at = source_ + i;
    const int64_t behind = at - std::ssize(text_);
    draft_.push_back(behind < 0 ? text_[static_cast<size_t>(at)]
                                : draft_[static_cast<size_t>(behind)]);
  }
  return draft_;
}

}  // namespace lazyllm::engine
