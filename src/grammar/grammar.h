// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <unordered_set>
#include <vector>

#include "grammar/character_automaton.h"
#include "grammar/number_rule.h"
#include "grammar/word_list.h"

namespace lazyllm::grammar {

inline constexpr uint32_t kUnbounded = UINT32_MAX;
inline constexpr uint32_t kNone = UINT32_MAX;
/// Height of what no finite value can fill.
inline constexpr uint32_t kEndless = UINT32_MAX;

using NodeId = uint32_t;
using SlotId = uint32_t;

/// A kind of value.
struct Node {
  enum class Kind : uint8_t {
    text,      ///< a string of minimum .. maximum characters
    matching,  ///< a string that automata[index] accepts
    one_of,    ///< a string of texts[index]
    literal,   ///< null, a boolean or a number as spelled in literals[index]
    number,    ///< numbers[index]
    array,     ///< arrays[index]
    object,    ///< objects[index]
  };
  Kind kind = Kind::literal;
  uint32_t index = 0;
  uint32_t minimum = 0, maximum = kUnbounded;
  uint32_t height = 0;  ///< containers inside each other that it needs at least
};

/// A place for a value: any of these kinds.
struct Slot {
  std::vector<NodeId> nodes;
  uint32_t height = kEndless;  ///< the least of its nodes
};

struct ArrayRule {
  std::vector<SlotId> first;  ///< the places of the first items
  SlotId rest = kNone;        ///< of all further ones; kNone: there are none
  uint32_t minimum = 0, maximum = kUnbounded;

  SlotId slot(uint32_t item) const { return item < first.size() ? first[item] : rest; }
};

/// Properties come in their order, optional ones may be left out, additional ones follow.
struct ObjectRule {
  struct Property {
    SlotId slot = kNone;
    bool required = false;
  };
  /// Further names of one object; it keeps the search for a used one short.
  static constexpr uint32_t kMostNames = 1000;
  /// Further names that an automaton accepts.
  struct NameClass {
    uint32_t automaton = 0;
    SlotId slot = kNone;
    std::vector<uint32_t> texts_from;  ///< CharacterAutomaton::texts_from(kMostNames)
    bool never_used_up = false;        ///< so many names come from each state
  };
  std::vector<Property> properties;
  WordList<char32_t> names;
  std::vector<uint32_t> property_of_name;      ///< by the name's number in `names`
  std::vector<uint32_t> next_required;         ///< [properties + 1]: the first one from there on
  SlotId additional = kNone;                   ///< of any further name; kNone: none
  std::vector<NameClass> name_classes;         ///< instead of that, disjoint
  std::vector<uint32_t> required_after;        ///< [properties + 1]: how many from there on
  uint32_t minimum = 0, maximum = kUnbounded;  ///< properties in all
};

/// JSON values of one schema, as a recogniser needs them. Immutable once compiled.
struct Grammar {
  std::vector<Node> nodes;
  std::vector<Slot> slots;
  std::vector<CharacterAutomaton> automata;
  std::vector<WordList<char32_t>> texts;
  std::vector<WordList<char>> literals;
  std::vector<NumberRule> numbers;
  std::vector<ArrayRule> arrays;
  std::vector<ObjectRule> objects;
  SlotId root = 0;
  uint32_t deepest = 0;  ///< containers inside each other that a value may have
};

}  // namespace lazyllm::grammar
