// SPDX-License-Identifier: Apache-2.0
#include "grammar/text_filter.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace lazyllm::grammar {
namespace {

using Kind = TextGrammar::Item::Kind;

/// What is remembered before all but the present state is forgotten.
constexpr size_t kMostStates = 10'000, kMostStacks = 100'000, kMostMasks = 64;
/// Steps of one mask; where they end, further tokens are left out.
constexpr size_t kMostFilterWork = 2'000'000;

bool meets(const CharacterSet& set, char32_t first, char32_t last) {
  const auto& ranges = set.ranges();
  const auto found =
      std::lower_bound(ranges.begin(), ranges.end(), first,
                       [](const CharacterRange& range, char32_t c) { return range.last < c; });
  return found != ranges.end() && found->first <= last;
}

/// Where something is found by two numbers.
uint64_t key_of(uint32_t a, uint32_t b) {
  return (uint64_t{a} << 32) | b;
}

}  // namespace

TextFilter::TextFilter(std::shared_ptr<const TokenTable> table,
                       std::shared_ptr<const TextGrammar> grammar)
    : table_(std::move(table)), grammar_(std::move(grammar)) {
  State start;
  for (const uint32_t item : grammar_->rules[grammar_->root]) expand({item, kNothing}, start);
  state_ = number_of(std::move(start));
}

uint32_t TextFilter::number_of(Stack stack) {
  const auto [found, is_new] = stack_numbers_.try_emplace(key_of(stack.item, stack.above),
                                                          static_cast<uint32_t>(stacks_.size()));
  if (is_new) stacks_.push_back(stack);
  return found->second;
}

int32_t TextFilter::number_of(State state) {
  if (state.stacks.empty() && !state.complete) return kDead;
  std::sort(state.stacks.begin(), state.stacks.end());
  state.stacks.erase(std::unique(state.stacks.begin(), state.stacks.end()), state.stacks.end());
  if (state.stacks.size() > kMostReadings) state.stacks.resize(kMostReadings);
  const auto [found, is_new] =
      state_numbers_.try_emplace(state, static_cast<int32_t>(states_.size()));
  if (is_new) states_.push_back(std::move(state));
  return found->second;
}

void TextFilter::expand(Stack first, State& state) {
  std::vector<Stack> work = {first};
  std::unordered_set<uint64_t> seen;
  while (!work.empty()) {
    const Stack stack = work.back();
    work.pop_back();
    if (!seen.insert(key_of(stack.item, stack.above)).second || ++work_ > kMostFilterWork) continue;
    const TextGrammar::Item& item = grammar_->items[stack.item];
    if (item.kind == Kind::characters) {
      state.stacks.push_back(number_of(stack));
    } else if (item.kind == Kind::end) {
      if (stack.above == kNothing) {
        state.complete = true;
      } else {
        work.push_back(stacks_[stack.above]);
      }
    } else {
      // The last rule of an alternative needs no place to come back to.
      const bool last = grammar_->items[stack.item + 1].kind == Kind::end;
      const uint32_t above = last ? stack.above : number_of(Stack{stack.item + 1, stack.above});
      for (const uint32_t start : grammar_->rules[item.index]) work.push_back({start, above});
    }
  }
}

TextFilter::State TextFilter::with_character(const State& state, char32_t character) {
  State result;
  for (const uint32_t number : state.stacks) {
    const Stack stack = stacks_[number];
    if (!meets(grammar_->sets[grammar_->items[stack.item].index], character, character)) continue;
    expand({stack.item + 1, stack.above}, result);
  }
  return result;
}

/// Keeps the readings that wait for a character that begins so.
TextFilter::State TextFilter::with_beginning(const State& state, char32_t bits, uint8_t left,
                                             uint8_t length) {
  constexpr std::array<char32_t, 5> kShortest = {0, 0, 0x80, 0x800, 0x10000};
  const int shift = 6 * left;
  const auto low = static_cast<char32_t>(bits << shift);
  const char32_t first = std::max(low, kShortest[length]);
  const char32_t last = std::min(static_cast<char32_t>(low + (1U << shift) - 1), kLastCharacter);
  State result;
  result.bits = bits;
  result.left = left;
  result.length = length;
  if (first > last) return result;
  for (const uint32_t number : state.stacks) {
    const TextGrammar::Item& item = grammar_->items[stacks_[number].item];
    if (meets(grammar_->sets[item.index], first, last)) result.stacks.push_back(number);
  }
  return result;
}

TextFilter::State TextFilter::compute_next(const State& state, uint8_t byte) {
  if (state.left > 0) {
    if ((byte & 0xC0) != 0x80) return {};
    const char32_t bits = (state.bits << 6) | (byte & 0x3F);
    const auto left = static_cast<uint8_t>(state.left - 1);
    State kept = with_beginning(state, bits, left, state.length);
    return left > 0 ? kept : with_character(kept, bits);
  }
  if (byte < 0x80) return with_character(state, byte);
  if (byte < 0xC2 || byte > 0xF4) return {};
  const uint8_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
  return with_beginning(state, byte & (0x7Fu >> length), static_cast<uint8_t>(length - 1), length);
}

int32_t TextFilter::next(int32_t state, uint8_t byte) {
  const uint64_t key = key_of(static_cast<uint32_t>(state), byte);
  if (const auto found = next_.find(key); found != next_.end()) return found->second;
  const int32_t result =
      work_ > kMostFilterWork
          ? kDead
          : number_of(compute_next(State(states_[static_cast<size_t>(state)]), byte));
  if (work_ <= kMostFilterWork) next_.emplace(key, result);
  return result;
}

std::vector<uint64_t> TextFilter::compute_mask() {
  std::vector<uint64_t> mask((static_cast<size_t>(table_->size()) + 63) / 64);
  const auto allow = [&](int32_t token) {
    mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<uint64_t>(token) % 64);
  };
  const TokenTrie& trie = table_->all();
  std::array<int32_t, TokenTrie::kLongest + 1> levels;
  levels[0] = state_;
  work_ = 0;
  for (uint32_t i = 0; i < trie.nodes().size();) {
    const TokenTrie::Node& node = trie.nodes()[i];
    levels[node.depth] = next(levels[node.depth - 1U], node.byte);
    if (levels[node.depth] == kDead) {
      i = node.skip;
      continue;
    }
    for (uint32_t t = node.first; t < node.last; ++t) allow(trie.tokens()[t]);
    ++i;
  }
  if (complete()) {
    for (const int32_t token : table_->ends_of_generation()) allow(token);
  }
  work_ = 0;
  return mask;
}

std::span<const uint64_t> TextFilter::allowed() {
  if (ended_) {
    std::vector<uint64_t>& mask = masks_[kDead];
    mask.assign((static_cast<size_t>(table_->size()) + 63) / 64, 0);
    for (const int32_t token : table_->ends_of_generation()) {
      mask[static_cast<size_t>(token) / 64] |= uint64_t{1} << (static_cast<uint64_t>(token) % 64);
    }
    return mask;
  }
  if (states_.size() > kMostStates || stacks_.size() > kMostStacks) forget();
  if (masks_.size() >= kMostMasks && !masks_.contains(state_)) masks_.clear();
  const auto [found, is_new] = masks_.try_emplace(state_);
  if (is_new) found->second = compute_mask();
  return found->second;
}

bool TextFilter::complete() const {
  return ended_ || states_[static_cast<size_t>(state_)].complete;
}

void TextFilter::accept(int32_t token) {
  const bool known = token >= 0 && token < table_->size();
  if (known && table_->ends_generation(token) && complete()) {
    ended_ = true;
    return;
  }
  int32_t state = known && !ended_ && !table_->bytes(token).empty() ? state_ : kDead;
  work_ = 0;
  if (state != kDead) {
    for (const char byte : table_->bytes(token)) {
      if (state != kDead) state = next(state, static_cast<uint8_t>(byte));
    }
  }
  if (state == kDead) {
    fail(ErrorCode::usage, "token {} may not come here: the answer would leave the given form",
         token);
  }
  state_ = state;
}

void TextFilter::forget() {
  State state = states_[static_cast<size_t>(state_)];
  std::vector<Stack> old;
  old.swap(stacks_);
  stack_numbers_.clear();
  states_.clear();
  state_numbers_.clear();
  next_.clear();
  masks_.clear();
  std::unordered_map<uint32_t, uint32_t> moved;
  std::vector<uint32_t> path;
  for (uint32_t& number : state.stacks) {
    uint32_t above = number;
    for (; above != kNothing && !moved.contains(above); above = old[above].above) {
      path.push_back(above);
    }
    for (; !path.empty(); path.pop_back()) {
      Stack stack = old[path.back()];
      if (stack.above != kNothing) stack.above = moved.at(stack.above);
      moved.emplace(path.back(), number_of(stack));
    }
    number = moved.at(number);
  }
  state_ = number_of(std::move(state));
}

}  // namespace lazyllm::grammar
