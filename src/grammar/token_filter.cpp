// SPDX-License-Identifier: Apache-2.0
#include "grammar/token_filter.h"

#include <algorithm>

#include "base/error.h"

namespace lazyllm::grammar {
namespace {

/// Frames that pile up before those that nobody needs are dropped.
constexpr size_t kFramesToCompact = 4096;
/// Steps of one walk with several threads, a few milliseconds. Only schemas with many alternatives
/// that stay possible together reach it.
constexpr size_t kMostSteps = 100'000;
/// The same of masks for strings with patterns, whose steps are shorter. What a mask cost once
/// counts whenever it is used, so that an answer does not depend on what others have computed.
constexpr size_t kMostMaskSteps = 1'500'000;
/// Later threads are compared with so many before them.
constexpr std::ptrdiff_t kCompared = 16;

/// Keeps the first of equal threads.
void remove_repeated(std::vector<Thread>& threads) {
  size_t kept = 0;
  for (size_t i = 0; i < threads.size(); ++i) {
    const auto end = threads.begin() + static_cast<std::ptrdiff_t>(kept);
    const auto begin = end - std::min(end - threads.begin(), kCompared);
    if (std::find(begin, end, threads[i]) != end) continue;
    threads[kept++] = threads[i];
  }
  threads.resize(kept);
}

}  // namespace

TokenFilter::TokenFilter(std::shared_ptr<const TokenTable> table,
                         std::shared_ptr<const Grammar> grammar, std::shared_ptr<StringMasks> masks)
    : table_(std::move(table)),
      masks_(masks != nullptr ? std::move(masks) : std::make_shared<StringMasks>(table_, grammar)),
      recogniser_(std::move(grammar)),
      threads_{recogniser_.start()},
      mask_((static_cast<size_t>(table_->size()) + 63) / 64),
      levels_(TokenTrie::kLongest + 1),
      marks_(TokenTrie::kLongest + 1) {}

TokenFilter::Parts TokenFilter::parts() const {
  Parts parts;
  for (const Thread& thread : threads_) {
    const bool in_string =
        recogniser_.free_characters(thread) > 0 || recogniser_.string_automaton(thread) != kNone;
    (in_string ? parts.in_string : parts.others).push_back(thread);
  }
  return parts;
}

bool TokenFilter::complete() const {
  return ended_ || std::any_of(threads_.begin(), threads_.end(),
                               [&](const Thread& thread) { return recogniser_.complete(thread); });
}

void TokenFilter::allow_in_string(uint32_t characters) {
  const std::vector<TokenTable::InString>& tokens = table_->in_string();
  if (tokens.empty()) return;
  if (characters >= tokens.back().characters) {
    const std::vector<uint64_t>& all = table_->in_string_mask();
    for (size_t i = 0; i < mask_.size(); ++i) mask_[i] |= all[i];
    return;
  }
  for (const TokenTable::InString& entry : tokens) {
    if (entry.characters > characters) break;
    allow(entry.token);
  }
}

/// Tokens inside strings and names with patterns. False if they would cost too much.
bool TokenFilter::allow_matching(const std::vector<Thread>& threads) {
  size_t steps = 0;
  std::vector<std::pair<uint32_t, int32_t>> seen;
  for (const Thread& thread : threads) {
    const uint32_t automaton = recogniser_.string_automaton(thread);
    if (automaton == kNone) continue;
    const auto place = std::pair(automaton, thread.state);
    if (std::find(seen.begin(), seen.end(), place) != seen.end()) continue;
    if (!seen.empty() && steps > kMostMaskSteps) return false;
    seen.push_back(place);
    const auto mask = masks_->of(place.first, place.second);
    steps += mask->steps;
    for (size_t i = 0; i < mask_.size(); ++i) mask_[i] |= mask->bits[i];
  }
  return true;
}

/// Allows the trie's tokens that one of the threads can read.
bool TokenFilter::walk(const TokenTrie& trie, const std::vector<Thread>& from) {
  if (from.empty()) return true;
  const Recogniser::Mark before = recogniser_.mark();
  levels_[0] = from;
  marks_[0] = before;
  const std::vector<TokenTrie::Node>& nodes = trie.nodes();
  size_t steps_left = kMostSteps;
  uint32_t i = 0;
  while (i < nodes.size()) {
    const TokenTrie::Node& node = nodes[i];
    recogniser_.release(marks_[node.depth - 1U]);
    const std::vector<Thread>& threads = levels_[node.depth - 1U];
    if (threads.size() > steps_left && from.size() > 1) break;
    steps_left -= std::min(threads.size(), steps_left);
    std::vector<Thread>& next = levels_[node.depth];
    next.clear();
    for (const Thread& thread : threads) recogniser_.advance(thread, node.byte, next);
    if (next.empty()) {
      i = node.skip;
      continue;
    }
    if (next.size() > 1) remove_repeated(next);
    for (uint32_t t = node.first; t < node.last; ++t) allow(trie.tokens()[t]);
    marks_[node.depth] = recogniser_.mark();
    ++i;
  }
  recogniser_.release(before);
  return i == nodes.size();
}

void TokenFilter::allow_by_threads() {
  const Parts separate = parts();
  uint32_t free_characters = 0;
  for (const Thread& thread : separate.in_string) {
    free_characters = std::max(free_characters, recogniser_.free_characters(thread));
  }
  allow_in_string(free_characters);
  const bool all_seen = allow_matching(separate.in_string) &&
                        walk(table_->closing_string(), separate.in_string) &&
                        walk(table_->all(), separate.others);
  if (all_seen) return;
  // Half of the alternatives are given up, for this answer.
  threads_.resize((threads_.size() + 1) / 2);
  std::fill(mask_.begin(), mask_.end(), 0);
  allow_by_threads();
}

std::span<const uint64_t> TokenFilter::allowed() {
  std::fill(mask_.begin(), mask_.end(), 0);
  if (!ended_) allow_by_threads();
  if (complete()) {
    for (const int32_t token : table_->ends_of_generation()) allow(token);
  }
  return mask_;
}

/// Appends what the threads become by reading the bytes.
void TokenFilter::follow(const std::vector<Thread>& from, std::string_view bytes,
                         std::vector<Thread>& out) {
  std::vector<Thread> current = from, next;
  for (const char byte : bytes) {
    next.clear();
    for (const Thread& thread : current) {
      recogniser_.advance(thread, static_cast<uint8_t>(byte), next);
    }
    remove_repeated(next);
    current.swap(next);
  }
  out.insert(out.end(), current.begin(), current.end());
}

void TokenFilter::accept(int32_t token) {
  const bool known = token >= 0 && token < table_->size();
  if (known && table_->ends_generation(token) && complete()) {
    ended_ = true;
    return;
  }
  std::vector<Thread> next;
  if (known && !ended_ && !table_->bytes(token).empty()) {
    const Parts separate = parts();
    follow(separate.in_string, table_->bytes(token), next);
    follow(separate.others, table_->bytes(token), next);
  }
  if (next.empty()) {
    fail(ErrorCode::usage, "token {} may not come here: the answer would leave the given form",
         token);
  }
  remove_repeated(next);
  if (next.size() > Recogniser::kMostThreads) next.resize(Recogniser::kMostThreads);
  threads_ = std::move(next);
  if (recogniser_.frames() > kFramesToCompact) recogniser_.compact(threads_);
}

}  // namespace lazyllm::grammar
