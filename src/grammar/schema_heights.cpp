// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_heights.h"

#include <algorithm>
#include <vector>

namespace lazyllm::grammar {
namespace {

/// Levels below the least that a value needs.
constexpr uint32_t kFurtherLevels = 32;
/// Readers of JSON have limits too.
constexpr uint32_t kHighest = 200;

uint32_t array_height(const Grammar& grammar, const ArrayRule& rule) {
  uint32_t height = 0;
  const auto listed = static_cast<uint32_t>(rule.first.size());
  // All items behind the listed ones are alike: one of them is enough.
  for (uint32_t i = 0; i < std::min(rule.minimum, listed + 1); ++i) {
    const SlotId slot = rule.slot(i);
    if (slot == kNone) return kEndless;
    height = std::max(height, grammar.slots[slot].height);
  }
  return height;
}

uint32_t object_height(const Grammar& grammar, const ObjectRule& rule) {
  uint32_t height = 0;
  uint32_t required = 0;
  std::vector<uint32_t> others;
  for (const ObjectRule::Property& property : rule.properties) {
    const uint32_t needs = grammar.slots[property.slot].height;
    required += property.required ? 1 : 0;
    if (property.required) {
      height = std::max(height, needs);
    } else if (needs != kEndless) {
      others.push_back(needs);
    }
  }
  if (required > rule.maximum) return kEndless;
  if (required >= rule.minimum) return height;
  // The lowest of those that may be left out, or further ones, which are all alike.
  const size_t wanted = rule.minimum - required;
  uint32_t further = rule.additional == kNone ? kEndless : grammar.slots[rule.additional].height;
  for (const ObjectRule::NameClass& names : rule.name_classes) {
    further = std::min(further, grammar.slots[names.slot].height);
  }
  std::sort(others.begin(), others.end());
  const uint32_t declared = wanted <= others.size() ? others[wanted - 1] : kEndless;
  return std::max(height, std::min(declared, further));
}

uint32_t node_height(const Grammar& grammar, const Node& node) {
  uint32_t inside = 0;
  if (node.kind == Node::Kind::array) {
    inside = array_height(grammar, grammar.arrays[node.index]);
  } else if (node.kind == Node::Kind::object) {
    inside = object_height(grammar, grammar.objects[node.index]);
  } else {
    return 0;
  }
  return inside >= kHighest ? kEndless : inside + 1;
}

/// One more round: what needs at most that many levels is known after as many rounds.
bool improve(Grammar& grammar) {
  bool changed = false;
  for (Slot& slot : grammar.slots) {
    for (const NodeId id : slot.nodes) {
      Node& node = grammar.nodes[id];
      const uint32_t height = node_height(grammar, node);
      changed = changed || height != node.height;
      node.height = height;
      if (height < slot.height) {
        slot.height = height;
        changed = true;
      }
    }
  }
  return changed;
}

bool endless(const Grammar& grammar, SlotId slot) {
  return slot == kNone || grammar.slots[slot].height == kEndless;
}

void remove_endless(Grammar& grammar) {
  for (Slot& slot : grammar.slots) {
    std::erase_if(slot.nodes, [&](NodeId id) { return grammar.nodes[id].height == kEndless; });
  }
  for (ArrayRule& rule : grammar.arrays) {
    if (endless(grammar, rule.rest)) rule.rest = kNone;
    const auto first = std::find_if(rule.first.begin(), rule.first.end(),
                                    [&](SlotId slot) { return endless(grammar, slot); });
    const auto possible = static_cast<uint32_t>(first - rule.first.begin());
    const bool ends = first != rule.first.end() || rule.rest == kNone;
    if (ends) rule.maximum = std::min(rule.maximum, possible);
  }
  for (ObjectRule& rule : grammar.objects) {
    if (endless(grammar, rule.additional)) rule.additional = kNone;
    std::erase_if(rule.name_classes,
                  [&](const ObjectRule::NameClass& names) { return endless(grammar, names.slot); });
  }
}

}  // namespace

bool find_heights(Grammar& grammar) {
  for (Node& node : grammar.nodes) node.height = kEndless;
  while (improve(grammar)) {
  }
  const uint32_t height = grammar.slots[grammar.root].height;
  if (height == kEndless) return false;
  remove_endless(grammar);
  grammar.deepest = height + kFurtherLevels;
  return true;
}

}  // namespace lazyllm::grammar
