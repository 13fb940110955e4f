// SPDX-License-Identifier: Apache-2.0
#include "grammar/text_grammar.h"

#include <algorithm>

#include "base/error.h"
#include "grammar/pattern.h"

namespace lazyllm::grammar {
namespace {

using Item = TextGrammar::Item;
using Kind = Item::Kind;
using Sequence = TextGrammarBuilder::Sequence;
using Rules = std::vector<std::vector<Sequence>>;

/// The rules of which some alternative has only good items; repeated until nothing changes.
template <typename Good>
std::vector<bool> closure(const Rules& rules, const Good& good_characters) {
  std::vector<bool> good(rules.size(), false);
  const auto item_good = [&](const Item& item) {
    return item.kind == Kind::rule ? bool{good[item.index]} : good_characters(item);
  };
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = rules.size(); i-- > 0;) {  // rules made last lie inside earlier ones
      if (good[i]) continue;
      good[i] = std::any_of(rules[i].begin(), rules[i].end(), [&](const Sequence& sequence) {
        return std::all_of(sequence.begin(), sequence.end(), item_good);
      });
      changed = changed || good[i];
    }
  }
  return good;
}

struct Edge {
  uint32_t target = 0;
  bool grows = false;  ///< something is left to do behind the target
};

/// From each rule, the rules that a text of it can begin with.
std::vector<std::vector<Edge>> beginnings(const Rules& rules) {
  const std::vector<bool> empty = closure(rules, [](const Item&) { return false; });
  std::vector<std::vector<Edge>> edges(rules.size());
  for (size_t i = 0; i < rules.size(); ++i) {
    for (const Sequence& sequence : rules[i]) {
      for (size_t k = 0; k < sequence.size() && sequence[k].kind == Kind::rule; ++k) {
        edges[i].push_back({sequence[k].index, k + 1 < sequence.size()});
        if (!empty[sequence[k].index]) break;
      }
    }
  }
  return edges;
}

/// Rules in an order in which each stands behind those that it reaches, unless they reach it too.
std::vector<uint32_t> finishing_order(const std::vector<std::vector<Edge>>& edges) {
  std::vector<uint32_t> order;
  std::vector<bool> seen(edges.size(), false);
  std::vector<std::pair<uint32_t, size_t>> path;
  for (uint32_t start = 0; start < edges.size(); ++start) {
    if (seen[start]) continue;
    seen[start] = true;
    path.emplace_back(start, 0);
    while (!path.empty()) {
      auto& [rule, at] = path.back();
      if (at == edges[rule].size()) {
        order.push_back(rule);
        path.pop_back();
        continue;
      }
      const uint32_t target = edges[rule][at++].target;
      if (seen[target]) continue;
      seen[target] = true;
      path.emplace_back(target, 0);
    }
  }
  return order;
}

/// True if some rule begins with itself and has more to do behind it each time.
bool begins_with_itself(const Rules& rules) {
  const auto edges = beginnings(rules);
  std::vector<std::vector<Edge>> reversed(edges.size());
  for (uint32_t i = 0; i < edges.size(); ++i) {
    for (const Edge& edge : edges[i]) reversed[edge.target].push_back({i, edge.grows});
  }
  // Kosaraju: rules that reach each other get one number.
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> component(edges.size(), kNone), work;
  const std::vector<uint32_t> order = finishing_order(edges);
  for (auto rule = order.rbegin(); rule != order.rend(); ++rule) {
    if (component[*rule] != kNone) continue;
    work.push_back(*rule);
    while (!work.empty()) {
      const uint32_t next = work.back();
      work.pop_back();
      if (component[next] != kNone) continue;
      component[next] = *rule;
      for (const Edge& edge : reversed[next]) work.push_back(edge.target);
    }
  }
  for (uint32_t i = 0; i < edges.size(); ++i) {
    for (const Edge& edge : edges[i]) {
      if (edge.grows && component[i] == component[edge.target]) return true;
    }
  }
  return false;
}

class PatternTranslator {
 public:
  TextGrammar translate(const Pattern& pattern) {
    const Item root = builder_.add_rule();
    builder_.add_alternative(root, sequence_of(pattern));
    return builder_.finish(root);
  }

 private:
  Sequence sequence_of(const Pattern& pattern) {
    switch (pattern.kind) {
      case Pattern::Kind::characters:
        return {builder_.characters(pattern.characters)};
      case Pattern::Kind::sequence: {
        Sequence result;
        for (const Pattern& part : pattern.parts) append(result, sequence_of(part));
        return result;
      }
      case Pattern::Kind::alternatives: {
        if (pattern.parts.size() == 1) return sequence_of(pattern.parts[0]);
        const Item rule = builder_.add_rule();
        for (const Pattern& part : pattern.parts) {
          builder_.add_alternative(rule, sequence_of(part));
        }
        return {rule};
      }
      case Pattern::Kind::repeat: {
        const Item rule = builder_.add_rule();
        builder_.add_alternative(rule, sequence_of(pattern.parts[0]));
        return builder_.repeat(rule, pattern.minimum, pattern.maximum);
      }
      default:
        fail(ErrorCode::invalid_input,
             "the whole answer is matched: ^ may only begin the pattern and $ only end it");
    }
  }

  static void append(Sequence& to, const Sequence& more) {
    to.insert(to.end(), more.begin(), more.end());
  }

  TextGrammarBuilder builder_;
};

/// The whole text is matched anyway, so that ^ at the head and $ at the end say nothing.
void strip_anchors(Pattern& pattern) {
  if (pattern.kind == Pattern::Kind::alternatives) {
    for (Pattern& part : pattern.parts) strip_anchors(part);
  }
  if (pattern.kind != Pattern::Kind::sequence) return;
  auto& parts = pattern.parts;
  while (!parts.empty() && parts.front().kind == Pattern::Kind::start) parts.erase(parts.begin());
  while (!parts.empty() && parts.back().kind == Pattern::Kind::end) parts.pop_back();
}

}  // namespace

Item TextGrammarBuilder::add_rule() {
  rules_.emplace_back();
  if (rules_.size() > kMostItems) fail(ErrorCode::invalid_input, "the grammar is too large");
  return {Kind::rule, static_cast<uint32_t>(rules_.size() - 1)};
}

void TextGrammarBuilder::add_alternative(Item rule, Sequence sequence) {
  items_ += sequence.size() + 1;
  if (items_ > kMostItems) {
    fail(ErrorCode::invalid_input, "the grammar has more than {} parts; use smaller counts",
         kMostItems);
  }
  rules_[rule.index].push_back(std::move(sequence));
}

Item TextGrammarBuilder::characters(CharacterSet set) {
  sets_.push_back(std::move(set));
  return {Kind::characters, static_cast<uint32_t>(sets_.size() - 1)};
}

Sequence TextGrammarBuilder::repeat(Item item, uint32_t minimum, uint32_t maximum) {
  if (minimum > kMostItems || (maximum != kUnbounded && maximum > kMostItems)) {
    fail(ErrorCode::invalid_input, "a repetition counts above {}", kMostItems);
  }
  Sequence result(minimum, item);
  items_ += minimum;
  if (maximum == kUnbounded) {
    const Item more = add_rule();
    add_alternative(more, {item, more});
    add_alternative(more, {});
    result.push_back(more);
    return result;
  }
  Sequence rest;
  for (uint32_t i = minimum; i < maximum; ++i) {
    const Item optional = add_rule();
    Sequence one = {item};
    one.insert(one.end(), rest.begin(), rest.end());
    add_alternative(optional, std::move(one));
    add_alternative(optional, {});
    rest = {optional};
  }
  result.insert(result.end(), rest.begin(), rest.end());
  return result;
}

TextGrammar TextGrammarBuilder::finish(Item root) {
  const std::vector<bool> possible =
      closure(rules_, [&](const Item& item) { return !sets_[item.index].empty(); });
  if (!possible[root.index]) {
    fail(ErrorCode::invalid_input, "no text can fulfil the grammar: its rules have no end");
  }
  for (auto& alternatives : rules_) {
    std::erase_if(alternatives, [&](const Sequence& sequence) {
      return std::any_of(sequence.begin(), sequence.end(), [&](const Item& item) {
        return item.kind == Kind::rule ? !possible[item.index] : sets_[item.index].empty();
      });
    });
  }
  if (begins_with_itself(rules_)) {
    fail(ErrorCode::invalid_input,
         "a rule of the grammar begins with itself (left recursion); write it as a repetition");
  }
  TextGrammar grammar;
  grammar.root = root.index;
  grammar.sets = std::move(sets_);
  for (const auto& alternatives : rules_) {
    grammar.rules.emplace_back();
    for (const Sequence& sequence : alternatives) {
      grammar.rules.back().push_back(static_cast<uint32_t>(grammar.items.size()));
      grammar.items.insert(grammar.items.end(), sequence.begin(), sequence.end());
      grammar.items.emplace_back();
    }
  }
  return grammar;
}

TextGrammar grammar_of_pattern(std::string_view pattern) {
  PatternBudget budget;
  Pattern parsed = parse_pattern(pattern, budget);
  strip_anchors(parsed);
  return PatternTranslator().translate(parsed);
}

}  // namespace lazyllm::grammar
