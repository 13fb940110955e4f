// SPDX-License-Identifier: Apache-2.0
// From a regular expression to a deterministic automaton: Thompson's construction, then subsets.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "grammar/character_automaton.h"
#include "grammar/pattern.h"

namespace lazyllm::grammar {
namespace {

/// Bytes of a state, about: they count as steps do.
constexpr size_t kStateCost = 100;

/// The automaton with choices. A text s is read as START s END, so that ^ and $ are symbols.
class NondeterministicAutomaton {
 public:
  static constexpr uint32_t kStartSymbol = UINT32_MAX, kEndSymbol = UINT32_MAX - 1;

  struct Edge {
    uint32_t symbol = 0;  ///< a character set's number, kStartSymbol or kEndSymbol
    uint32_t target = 0;
  };
  struct State {
    std::vector<uint32_t> silent;
    std::vector<Edge> edges;
  };

  NondeterministicAutomaton(const Pattern& pattern, PatternBudget& budget) : budget_(budget) {
    const uint32_t everything = set_number(CharacterSet::all());
    begin = add_state();
    states[begin].edges = {{everything, begin}, {kStartSymbol, begin}};
    const uint32_t match = add_state();
    states[begin].silent.push_back(match);
    end = build(pattern, match);
  }

  std::vector<State> states;
  std::vector<CharacterSet> sets;
  uint32_t begin = 0, end = 0;

 private:
  uint32_t add_state() {
    budget_.spend(kStateCost);
    states.emplace_back();
    return static_cast<uint32_t>(states.size() - 1);
  }

  uint32_t set_number(const CharacterSet& set) {
    budget_.spend(sets.size() + 1);
    for (size_t i = 0; i < sets.size(); ++i) {
      if (sets[i].ranges() == set.ranges()) return static_cast<uint32_t>(i);
    }
    sets.push_back(set);
    return static_cast<uint32_t>(sets.size() - 1);
  }

  uint32_t edge(uint32_t from, uint32_t symbol) {
    const uint32_t target = add_state();
    states[from].edges.push_back({symbol, target});
    return target;
  }

  /// Appends the pattern's states to `from` and gives the state behind it.
  uint32_t build(const Pattern& pattern, uint32_t from) {
    switch (pattern.kind) {
      case Pattern::Kind::characters:
        return edge(from, set_number(pattern.characters));
      case Pattern::Kind::start:
        return edge(from, kStartSymbol);
      case Pattern::Kind::end:
        return edge(from, kEndSymbol);
      case Pattern::Kind::sequence:
        for (const Pattern& part : pattern.parts) from = build(part, from);
        return from;
      case Pattern::Kind::alternatives:
        return build_alternatives(pattern, from);
      case Pattern::Kind::repeat:
        return build_repeat(pattern, from);
    }
    return from;
  }

  uint32_t build_alternatives(const Pattern& pattern, uint32_t from) {
    const uint32_t joined = add_state();
    for (const Pattern& part : pattern.parts) {
      const uint32_t first = add_state();
      states[from].silent.push_back(first);
      const uint32_t last = build(part, first);
      states[last].silent.push_back(joined);
    }
    return joined;
  }

  uint32_t build_repeat(const Pattern& pattern, uint32_t from) {
    const Pattern& part = pattern.parts[0];
    for (uint32_t i = 0; i < pattern.minimum; ++i) from = build(part, from);
    if (pattern.maximum == Pattern::kUnbounded) {
      const uint32_t loop = add_state();
      states[from].silent.push_back(loop);
      const uint32_t last = build(part, loop);
      states[last].silent.push_back(loop);
      return loop;
    }
    const uint32_t joined = add_state();
    for (uint32_t i = pattern.minimum; i < pattern.maximum; ++i) {
      states[from].silent.push_back(joined);
      from = build(part, from);
    }
    states[from].silent.push_back(joined);
    return joined;
  }

  PatternBudget& budget_;
};

using Subset = std::vector<uint32_t>;  // ascending

struct SubsetHash {
  size_t operator()(const Subset& subset) const {
    uint64_t hash = subset.size();
    for (const uint32_t state : subset) hash = (hash ^ state) * 0x9E3779B97F4A7C15 >> 7 ^ hash;
    return hash;
  }
};

}  // namespace

/// Subset construction over classes of characters that no set of the pattern tells apart.
class Determiniser {
 public:
  Determiniser(const Pattern& pattern, PatternBudget& budget)
      : from_(pattern, budget), budget_(budget) {
    find_classes();
  }

  CharacterAutomaton run() {
    const Subset begin = closure({from_.begin});
    result_.start_ = state_of(step(begin, NondeterministicAutomaton::kStartSymbol));
    while (!pending_.empty()) {
      const Subset subset = pending_.back();
      pending_.pop_back();
      const int32_t state = numbers_.at(subset);
      for (size_t c = 0; c < result_.classes_; ++c) {
        const int32_t target = state_of(step_class(subset, c));
        result_.entry(state, static_cast<CharacterAutomaton::Class>(c)) = target;
      }
    }
    result_.trim();
    return std::move(result_);
  }

 private:
  void find_classes() {
    std::vector<char32_t> cuts;
    for (const CharacterSet& set : from_.sets) {
      for (const CharacterRange& range : set.ranges()) {
        cuts.push_back(range.first);
        cuts.push_back(range.last + 1);
      }
    }
    std::sort(cuts.begin(), cuts.end());
    cuts.erase(std::unique(cuts.begin(), cuts.end()), cuts.end());
    // Which sets each stretch between two cuts belongs to.
    budget_.spend(cuts.size() * (from_.sets.size() + 1));
    std::vector<std::vector<bool>> members(cuts.size(), std::vector<bool>(from_.sets.size()));
    for (size_t i = 0; i < from_.sets.size(); ++i) {
      for (const CharacterRange& range : from_.sets[i].ranges()) {
        auto at = std::lower_bound(cuts.begin(), cuts.end(), range.first) - cuts.begin();
        for (; cuts[static_cast<size_t>(at)] <= range.last; ++at) {
          members[static_cast<size_t>(at)][i] = true;
        }
      }
    }
    std::map<std::vector<bool>, CharacterAutomaton::Class> numbers;
    for (size_t i = 0; i + 1 < cuts.size(); ++i) {
      if (std::find(members[i].begin(), members[i].end(), true) == members[i].end()) continue;
      if (numbers.size() >= CharacterAutomaton::kNoClass) budget_.spend(SIZE_MAX);
      const auto next = static_cast<CharacterAutomaton::Class>(numbers.size());
      const auto [found, is_new] = numbers.try_emplace(members[i], next);
      if (is_new) class_members_.push_back(members[i]);
      result_.append_range({cuts[i], cuts[i + 1] - 1}, found->second);
    }
    result_.classes_ = numbers.size();
  }

  Subset closure(Subset subset) {
    std::vector<uint32_t> pending = subset;
    for (const uint32_t state : subset) marked_[state] = true;
    while (!pending.empty()) {
      const uint32_t state = pending.back();
      pending.pop_back();
      budget_.spend(from_.states[state].silent.size());
      for (const uint32_t next : from_.states[state].silent) {
        if (marked_[next]) continue;
        marked_[next] = true;
        subset.push_back(next);
        pending.push_back(next);
      }
    }
    for (const uint32_t state : subset) marked_[state] = false;
    std::sort(subset.begin(), subset.end());
    budget_.spend(subset.size() + 1);
    if (is_final(subset)) return {from_.end};
    return subset;
  }

  bool is_final(const Subset& subset) const {
    return std::binary_search(subset.begin(), subset.end(), from_.end);
  }

  template <typename Matches>
  Subset step_if(const Subset& subset, const Matches& matches) {
    if (is_final(subset)) return subset;  // the pattern has occurred, whatever follows
    Subset next;
    for (const uint32_t state : subset) {
      for (const auto& edge : from_.states[state].edges) {
        if (matches(edge.symbol)) next.push_back(edge.target);
      }
    }
    budget_.spend(subset.size());
    std::sort(next.begin(), next.end());
    next.erase(std::unique(next.begin(), next.end()), next.end());
    return closure(std::move(next));
  }

  Subset step(const Subset& subset, uint32_t symbol) {
    return step_if(subset, [&](uint32_t s) { return s == symbol; });
  }

  Subset step_class(const Subset& subset, size_t c) {
    const std::vector<bool>& members = class_members_[c];
    return step_if(subset, [&](uint32_t s) { return s < members.size() && members[s]; });
  }

  int32_t state_of(Subset subset) {
    if (subset.empty()) return CharacterAutomaton::kDead;
    const auto found = numbers_.find(subset);
    if (found != numbers_.end()) return found->second;
    const bool accepting =
        is_final(subset) || is_final(step(subset, NondeterministicAutomaton::kEndSymbol));
    const int32_t number = result_.add_state(accepting, budget_);
    numbers_.emplace(subset, number);
    pending_.push_back(std::move(subset));
    return number;
  }

  NondeterministicAutomaton from_;
  PatternBudget& budget_;
  std::vector<std::vector<bool>> class_members_;  ///< [class][set]
  std::vector<bool> marked_ = std::vector<bool>(from_.states.size());
  std::unordered_map<Subset, int32_t, SubsetHash> numbers_;
  std::vector<Subset> pending_;
  CharacterAutomaton result_;
};

CharacterAutomaton CharacterAutomaton::containing(const Pattern& pattern, PatternBudget& budget) {
  return Determiniser(pattern, budget).run();
}

}  // namespace lazyllm::grammar
