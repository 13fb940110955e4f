// SPDX-License-Identifier: Apache-2.0
#include "grammar/character_automaton.h"

#include <algorithm>
#include <map>

#include "grammar/pattern.h"
#include "text/unicode.h"

namespace lazyllm::grammar {

int32_t CharacterAutomaton::add_state(bool accepting, PatternBudget& budget) {
  budget.spend(classes_ + 1);
  table_.resize(table_.size() + classes_, kDead);
  accepting_.push_back(accepting);
  return static_cast<int32_t>(accepting_.size() - 1);
}

CharacterAutomaton::Class CharacterAutomaton::find_class(char32_t character) const {
  const auto range =
      std::lower_bound(ranges_.begin(), ranges_.end(), character,
                       [](const CharacterRange& r, char32_t c) { return r.last < c; });
  if (range == ranges_.end() || character < range->first) return kNoClass;
  return range_class_[static_cast<size_t>(range - ranges_.begin())];
}

bool CharacterAutomaton::continues(int32_t state, char32_t first, char32_t last) const {
  auto range = std::lower_bound(ranges_.begin(), ranges_.end(), first,
                                [](const CharacterRange& r, char32_t c) { return r.last < c; });
  for (; range != ranges_.end() && range->first <= last; ++range) {
    const Class c = range_class_[static_cast<size_t>(range - ranges_.begin())];
    if (entry(state, c) != kDead) return true;
  }
  return false;
}

void CharacterAutomaton::append_range(CharacterRange range, Class c) {
  for (char32_t i = range.first; i <= range.last && i < ascii_class_.size(); ++i) {
    ascii_class_[i] = c;
  }
  if (!ranges_.empty() && range_class_.back() == c && ranges_.back().last + 1 == range.first) {
    ranges_.back().last = range.last;
    return;
  }
  ranges_.push_back(range);
  range_class_.push_back(c);
}

void CharacterAutomaton::trim() {
  const size_t states = accepting_.size();
  std::vector<std::vector<int32_t>> before(states);
  for (size_t i = 0; i < table_.size(); ++i) {
    if (table_[i] != kDead) {
      before[static_cast<size_t>(table_[i])].push_back(static_cast<int32_t>(i / classes_));
    }
  }
  std::vector<bool> live = accepting_;
  std::vector<int32_t> pending;
  for (size_t i = 0; i < states; ++i) {
    if (live[i]) pending.push_back(static_cast<int32_t>(i));
  }
  while (!pending.empty()) {
    const auto state = static_cast<size_t>(pending.back());
    pending.pop_back();
    for (const int32_t from : before[state]) {
      if (live[static_cast<size_t>(from)]) continue;
      live[static_cast<size_t>(from)] = true;
      pending.push_back(from);
    }
  }
  for (int32_t& target : table_) {
    if (target != kDead && !live[static_cast<size_t>(target)]) target = kDead;
  }
  if (start_ != kDead && !live[static_cast<size_t>(start_)]) start_ = kDead;
}

CharacterAutomaton CharacterAutomaton::of_length(uint32_t minimum, uint32_t maximum,
                                                 PatternBudget& budget) {
  CharacterAutomaton result;
  const CharacterSet all = CharacterSet::all();
  for (const CharacterRange& range : all.ranges()) result.append_range(range, 0);
  result.classes_ = 1;
  if (minimum > maximum) return result;
  const bool bounded = maximum != UINT32_MAX;
  const uint32_t last = bounded ? maximum : minimum;
  for (uint32_t length = 0;; ++length) {
    const int32_t state = result.add_state(length >= minimum, budget);
    if (length > 0) result.entry(state - 1, 0) = state;
    if (length == last) break;
  }
  if (!bounded) result.entry(static_cast<int32_t>(last), 0) = static_cast<int32_t>(last);
  result.start_ = 0;
  return result;
}

CharacterAutomaton CharacterAutomaton::both(const CharacterAutomaton& a,
                                            const CharacterAutomaton& b, PatternBudget& budget) {
  CharacterAutomaton result;
  std::map<std::pair<Class, Class>, Class> classes;
  for (size_t i = 0, j = 0; i < a.ranges_.size() && j < b.ranges_.size();) {
    const char32_t first = std::max(a.ranges_[i].first, b.ranges_[j].first);
    const char32_t last = std::min(a.ranges_[i].last, b.ranges_[j].last);
    if (first <= last) {
      if (classes.size() >= kNoClass) budget.spend(SIZE_MAX);
      const auto pair = std::pair(a.range_class_[i], b.range_class_[j]);
      const auto c = classes.try_emplace(pair, static_cast<Class>(classes.size())).first->second;
      result.append_range({first, last}, c);
    }
    a.ranges_[i].last <= b.ranges_[j].last ? ++i : ++j;
  }
  result.classes_ = std::max<size_t>(1, classes.size());
  if (a.start_ == kDead || b.start_ == kDead) return result;

  std::map<std::pair<int32_t, int32_t>, int32_t> states;
  std::vector<std::pair<int32_t, int32_t>> pending;
  const auto state_of = [&](int32_t x, int32_t y) {
    const auto [found, is_new] = states.try_emplace({x, y}, 0);
    if (is_new) {
      found->second = result.add_state(a.accepts(x) && b.accepts(y), budget);
      pending.emplace_back(x, y);
    }
    return found->second;
  };
  result.start_ = state_of(a.start_, b.start_);
  while (!pending.empty()) {
    const auto [x, y] = pending.back();
    pending.pop_back();
    const int32_t from = states.at({x, y});
    for (const auto& [pair, c] : classes) {
      const int32_t next_x = a.entry(x, pair.first), next_y = b.entry(y, pair.second);
      if (next_x == kDead || next_y == kDead) continue;
      const int32_t target = state_of(next_x, next_y);
      result.entry(from, c) = target;
    }
  }
  result.trim();
  return result;
}

CharacterAutomaton CharacterAutomaton::besides(const CharacterAutomaton& a, PatternBudget& budget) {
  CharacterAutomaton result;
  const auto other = static_cast<Class>(a.classes_);
  if (a.classes_ >= kNoClass) budget.spend(SIZE_MAX);
  result.classes_ = a.classes_ + 1;
  size_t i = 0;
  const CharacterSet all = CharacterSet::all();
  for (const CharacterRange& range : all.ranges()) {
    char32_t first = range.first;
    while (i < a.ranges_.size() && a.ranges_[i].first <= range.last) {
      const CharacterRange& known = a.ranges_[i];
      if (known.first > first) result.append_range({first, known.first - 1}, other);
      const char32_t last = std::min(known.last, range.last);
      result.append_range({std::max(known.first, first), last}, a.range_class_[i]);
      first = last + 1;
      if (known.last > range.last) break;
      ++i;
    }
    if (first <= range.last) result.append_range({first, range.last}, other);
  }
  const auto count = static_cast<int32_t>(a.states());
  for (int32_t state = 0; state < count; ++state) result.add_state(!a.accepts(state), budget);
  const int32_t astray = result.add_state(true, budget);
  for (int32_t state = 0; state <= count; ++state) {
    for (Class c = 0; c <= other; ++c) {
      const bool known = state < count && c < other && a.entry(state, c) != kDead;
      result.entry(state, c) = known ? a.entry(state, c) : astray;
    }
  }
  result.start_ = a.start_ == kDead ? astray : a.start_;
  result.trim();
  return result;
}

bool CharacterAutomaton::matches(std::string_view text) const {
  int32_t state = start_;
  for (size_t i = 0; i < text.size() && state != kDead;) {
    const text::DecodedCharacter c = text::decode_utf8(text, i);
    state = next(state, c.code_point);
    i += c.length;
  }
  return state != kDead && accepts(state);
}

std::vector<uint32_t> CharacterAutomaton::texts_from(uint32_t most) const {
  // States whose next ones are all counted, one after the other; those of cycles never are, and
  // from each of them without end many texts are accepted.
  std::vector<uint32_t> counts(states(), most), open(states(), 0);
  std::vector<std::vector<int32_t>> before(states());
  std::vector<int32_t> pending;
  for (size_t state = 0; state < states(); ++state) {
    for (Class c = 0; c < classes_; ++c) {
      const int32_t target = entry(static_cast<int32_t>(state), c);
      if (target == kDead) continue;
      before[static_cast<size_t>(target)].push_back(static_cast<int32_t>(state));
      ++open[state];
    }
    if (open[state] == 0) pending.push_back(static_cast<int32_t>(state));
  }
  while (!pending.empty()) {
    const int32_t state = pending.back();
    pending.pop_back();
    uint64_t count = accepts(state) ? 1 : 0;
    for_each_next(state, [&](char32_t first, char32_t last, int32_t target) {
      const uint64_t width = last - first + 1;
      count = std::min<uint64_t>(most, count + width * counts[static_cast<size_t>(target)]);
    });
    counts[static_cast<size_t>(state)] = static_cast<uint32_t>(std::min<uint64_t>(most, count));
    for (const int32_t from : before[static_cast<size_t>(state)]) {
      if (--open[static_cast<size_t>(from)] == 0) pending.push_back(from);
    }
  }
  return counts;
}

}  // namespace lazyllm::grammar
