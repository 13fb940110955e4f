// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_compiler.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "grammar/pattern.h"
#include "grammar/schema_document.h"
#include "grammar/schema_expander.h"
#include "grammar/schema_heights.h"
#include "text/unicode.h"

namespace lazyllm::grammar {
namespace {

constexpr size_t kMostNodes = 50000;
constexpr int kMostReferences = 100;

std::u32string characters_of(const std::string& text) {
  std::u32string result;
  for (size_t i = 0; i < text.size();) {
    const text::DecodedCharacter next = text::decode_utf8(text, i);
    result += next.code_point;
    i += next.length;
  }
  return result;
}

class SchemaCompiler {
 public:
  SchemaCompiler(std::string_view text, const std::stop_token& stop)
      : document_(text), expander_(document_) {
    budget_.stop = stop;
  }

  Grammar compile() {
    grammar_.root = slot_of({&document_.root()});
    while (!pending_.empty()) {
      if (budget_.stop.stop_requested()) fail_stopped();
      const auto [slot, schemas] = std::move(pending_.back());
      pending_.pop_back();
      fill(slot, schemas);
    }
    if (!find_heights(grammar_)) {
      document_.refuse(document_.root(),
                       "no value can fulfil it: it demands something impossible or endless");
    }
    return std::move(grammar_);
  }

 private:
  /// The slot for values that fulfil all of the schemas; filled later.
  SlotId slot_of(const Schemas& schemas) {
    Schemas direct;
    for (const Json* schema : schemas) direct = both(direct, {target_of(schema)});
    const auto next = static_cast<SlotId>(grammar_.slots.size());
    const auto [found, is_new] = slots_.try_emplace(direct, next);
    if (is_new) {
      grammar_.slots.emplace_back();
      pending_.emplace_back(next, std::move(direct));
      check_size();
    }
    return found->second;
  }

  /// What a schema that is nothing but a reference stands for.
  const Json* target_of(const Json* schema) {
    for (int i = 0; i < kMostReferences; ++i) {
      if (!schema->is_object() || schema->size() != 1 || !schema->contains("$ref")) break;
      schema = &document_.resolve(*schema);
    }
    return schema;
  }

  void check_size() {
    if (grammar_.slots.size() + grammar_.nodes.size() > kMostNodes) {
      document_.refuse(document_.root(), "it is too large to compile; simplify it");
    }
  }

  void fill(SlotId slot, const Schemas& schemas) {
    const Json& place = schemas.empty() ? document_.root() : *schemas[0];
    for (const Form& form : expander_.expand(schemas)) add_form(slot, form, place);
  }

  void add_form(SlotId slot, Form form, const Json& place) {
    if (form.literals) return add_literals(slot, form, place);
    // Without "type", keywords for objects do not rule out a text. Yet an object is meant.
    if (form.types == kAllTypes && form.mentioned != 0) form.types = form.mentioned;
    std::vector<std::string> words;
    if ((form.types & kNull) != 0) words.push_back("null");
    if ((form.types & kBoolean) != 0) words.insert(words.end(), {"true", "false"});
    if (!words.empty()) add_words(slot, std::move(words));
    if ((form.types & kNumber) != 0) add_number(slot, form);
    if ((form.types & kString) != 0) add_string(slot, form, place);
    if ((form.types & kArray) != 0) add_array(slot, form);
    if ((form.types & kObject) != 0) add_object(slot, form);
  }

  template <typename Rule>
  Node& add_node(SlotId slot, Node::Kind kind, std::vector<Rule>& rules, Rule rule) {
    rules.push_back(std::move(rule));
    Node& node = add_node(slot, kind);
    node.index = static_cast<uint32_t>(rules.size() - 1);
    return node;
  }

  Node& add_node(SlotId slot, Node::Kind kind) {
    grammar_.slots[slot].nodes.push_back(static_cast<NodeId>(grammar_.nodes.size()));
    check_size();
    grammar_.nodes.emplace_back().kind = kind;
    return grammar_.nodes.back();
  }

  void add_words(SlotId slot, std::vector<std::string> words) {
    add_node(slot, Node::Kind::literal, grammar_.literals, WordList<char>(std::move(words)));
  }

  void add_number(SlotId slot, const Form& form) {
    const NumberBounds& bounds = form.number;
    NumberRule rule;
    if ((form.types & kFraction) != 0 && !bounds.bounded) {
      add_node(slot, Node::Kind::number, grammar_.numbers, rule);
      return;
    }
    if ((form.types & kFraction) != 0) {
      rule.kind = NumberRule::Kind::decimal;
      rule.minimum = bounds.first_decimal;
      rule.maximum = bounds.last_decimal;
    }
    if ((form.types & kFraction) == 0 || !rule.possible()) {
      rule.kind = NumberRule::Kind::integer;
      rule.minimum = bounds.first_integer;
      rule.maximum = bounds.last_integer;
      rule.step = bounds.step;
    }
    if (rule.possible()) add_node(slot, Node::Kind::number, grammar_.numbers, rule);
  }

  void add_string(SlotId slot, const Form& form, const Json& place) {
    if (form.patterns.empty() && form.formats.empty()) {
      Node& node = add_node(slot, Node::Kind::text);
      node.minimum = form.shortest;
      node.maximum = form.longest;
      return;
    }
    CharacterAutomaton automaton = automaton_of(form, place);
    if (automaton.start() == CharacterAutomaton::kDead && !form.formats.empty()) {
      Form without = form;  // "format" is a hint in JSON Schema: what cannot be kept goes
      without.formats.clear();
      return add_string(slot, without, place);
    }
    if (automaton.start() == CharacterAutomaton::kDead) return;
    add_node(slot, Node::Kind::matching, grammar_.automata, std::move(automaton));
  }

  CharacterAutomaton automaton_of(const Form& form, const Json& place) {
    std::vector<const CharacterAutomaton*> parts;
    for (const Json* schema : form.patterns) parts.push_back(&automaton_of(*schema));
    for (const std::string& format : form.formats) parts.push_back(&automaton_of(format, place));
    CharacterAutomaton automaton = *parts[0];
    return with_place(form.patterns.empty() ? place : *form.patterns[0], [&] {
      for (size_t i = 1; i < parts.size(); ++i) {
        automaton = CharacterAutomaton::both(automaton, *parts[i], budget_);
      }
      if (form.shortest == 0 && form.longest == kUnbounded) return automaton;
      const auto length = CharacterAutomaton::of_length(form.shortest, form.longest, budget_);
      return CharacterAutomaton::both(automaton, length, budget_);
    });
  }

  /// Of a schema's pattern.
  const CharacterAutomaton& automaton_of(const Json& schema) {
    return automaton_of(schema.at("pattern").get_ref<const std::string&>(), schema);
  }

  const CharacterAutomaton& automaton_of(const std::string& pattern, const Json& schema) {
    const auto found = patterns_.find(pattern);
    if (found != patterns_.end()) return found->second;
    auto automaton = with_place(schema, [&] {
      return CharacterAutomaton::containing(parse_pattern(pattern, budget_), budget_);
    });
    return patterns_.emplace(pattern, std::move(automaton)).first->second;
  }

  /// Runs what knows of no schema and says in its errors where it was.
  template <typename Work>
  CharacterAutomaton with_place(const Json& schema, const Work& work) {
    try {
      return work();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::invalid_input) throw;
      document_.refuse(schema, "{}", error.what());
    }
  }

  void add_array(SlotId slot, const Form& form) {
    ArrayRule rule;
    for (const Schemas& item : form.first_items) rule.first.push_back(slot_of(item));
    rule.rest = slot_of(form.further_items);
    rule.minimum = form.fewest_items;
    rule.maximum = form.most_items;
    add_node(slot, Node::Kind::array, grammar_.arrays, std::move(rule));
  }

  void add_object(SlotId slot, Form form) {
    for (const std::string& name : form.required) {
      if (!form.property_index.contains(name)) form.add_property(name, form.additional);
    }
    ObjectRule rule;
    for (const auto& [name, schemas] : form.properties) {
      rule.properties.push_back({slot_of(schemas), false});
    }
    for (const std::string& name : form.required) {
      rule.properties[form.property_index.at(name)].required = true;
    }
    std::vector<std::string> names;
    for (const auto& property : form.properties) names.push_back(property.first);
    rule.additional = slot_of(form.additional);
    add_object(slot, std::move(rule), names);
  }

  void add_object(SlotId slot, ObjectRule rule, const std::vector<std::string>& names) {
    std::vector<std::pair<std::u32string, uint32_t>> order;
    for (uint32_t i = 0; i < names.size(); ++i) order.emplace_back(characters_of(names[i]), i);
    std::sort(order.begin(), order.end());
    std::vector<std::u32string> sorted;
    for (auto& [name, property] : order) {
      sorted.push_back(std::move(name));
      rule.property_of_name.push_back(property);
    }
    rule.names = WordList<char32_t>(std::move(sorted));
    const auto count = static_cast<uint32_t>(rule.properties.size());
    rule.next_required.assign(count + 1, count);
    for (uint32_t i = count; i-- > 0;) {
      rule.next_required[i] = rule.properties[i].required ? i : rule.next_required[i + 1];
    }
    add_node(slot, Node::Kind::object, grammar_.objects, std::move(rule));
  }

  /// Values of enum and const that fulfil the other keywords too.
  void add_literals(SlotId slot, const Form& form, const Json& place) {
    std::vector<std::string> words;
    std::vector<std::u32string> texts;
    size_t containers = 0;
    for (const Json* literal : *form.literals) {
      if ((type_of(*literal) & form.types) == 0 || !fulfils(*literal, form, place)) continue;
      if (literal->is_string()) {
        texts.push_back(characters_of(literal->get_ref<const std::string&>()));
      } else if (!literal->is_structured()) {
        words.push_back(literal->dump());
      } else if (++containers > SchemaExpander::kMostForms) {
        document_.refuse(place, "\"enum\" has more than {} arrays and objects",
                         SchemaExpander::kMostForms);
      } else {
        add_container(slot, *literal);
      }
    }
    if (!words.empty()) add_words(slot, std::move(words));
    if (texts.empty()) return;
    add_node(slot, Node::Kind::one_of, grammar_.texts, WordList<char32_t>(std::move(texts)));
  }

  bool fulfils(const Json& literal, const Form& form, const Json& place) {
    if (literal.is_structured()) {
      if ((form.mentioned & type_of(literal)) != 0) {
        document_.refuse(place,
                         "\"enum\" or \"const\" with arrays or objects is not supported together "
                         "with keywords about their items or properties");
      }
      return true;
    }
    if (!SchemaExpander::scalar_fulfils(literal, form)) return false;
    if (!literal.is_string()) return true;
    const std::u32string text = characters_of(literal.get_ref<const std::string&>());
    return std::all_of(form.patterns.begin(), form.patterns.end(), [&](const Json* schema) {
      const CharacterAutomaton& automaton = automaton_of(*schema);
      int32_t state = automaton.start();
      for (const char32_t c : text) {
        if (state == CharacterAutomaton::kDead) return false;
        state = automaton.next(state, c);
      }
      return state != CharacterAutomaton::kDead && automaton.accepts(state);
    });
  }

  SlotId literal_slot(const Json& value) {
    const auto slot = static_cast<SlotId>(grammar_.slots.size());
    grammar_.slots.emplace_back();
    if (value.is_structured()) {
      add_container(slot, value);
    } else if (value.is_string()) {
      add_node(slot, Node::Kind::one_of, grammar_.texts,
               WordList<char32_t>({characters_of(value.get_ref<const std::string&>())}));
    } else {
      add_words(slot, {value.dump()});
    }
    return slot;
  }

  void add_container(SlotId slot, const Json& value) {
    if (value.is_array()) {
      ArrayRule rule;
      for (const Json& item : value) rule.first.push_back(literal_slot(item));
      rule.minimum = rule.maximum = static_cast<uint32_t>(value.size());
      add_node(slot, Node::Kind::array, grammar_.arrays, std::move(rule));
      return;
    }
    ObjectRule rule;
    std::vector<std::string> names;
    for (const auto& [name, member] : value.items()) {
      names.push_back(name);
      rule.properties.push_back({literal_slot(member), true});
    }
    add_object(slot, std::move(rule), names);
  }

  SchemaDocument document_;
  SchemaExpander expander_;
  Grammar grammar_;
  std::map<Schemas, SlotId> slots_;
  std::vector<std::pair<SlotId, Schemas>> pending_;
  std::map<std::string, CharacterAutomaton> patterns_;
  PatternBudget budget_;
};

}  // namespace

std::shared_ptr<const Grammar> compile_schema(std::string_view schema_json,
                                              const std::stop_token& stop) {
  return std::make_shared<const Grammar>(SchemaCompiler(schema_json, stop).compile());
}

}  // namespace lazyllm::grammar
