// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_compiler.h"

#include <algorithm>
#include <map>
#include <optional>

#include "base/error.h"
#include "grammar/name_groups.h"
#include "grammar/pattern_book.h"
#include "grammar/schema_document.h"
#include "grammar/schema_expander.h"
#include "grammar/schema_heights.h"
#include "grammar/schema_negation.h"
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
      : document_(text), book_(budget_), expander_(document_, book_) {
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
    if ((form.types & kNumber) == kFraction) {
      document_.refuse(place, "numbers of which no integer may be one are not supported");
    }
    std::vector<std::string> words;
    if ((form.types & kNull) != 0) words.push_back("null");
    if ((form.types & kBoolean) != 0) words.insert(words.end(), {"true", "false"});
    if (!words.empty()) add_words(slot, std::move(words));
    if ((form.types & kNumber) != 0) add_number(slot, form);
    if ((form.types & kString) != 0) add_string(slot, form, place);
    if ((form.types & kArray) != 0) {
      for (const Form& arrays : expander_.array_forms(form, place)) add_array(slot, arrays);
    }
    if ((form.types & kObject) == 0) return;
    constexpr uint32_t kMostNeeded = 500;
    if (form.fewest_properties > kMostNeeded) {
      document_.refuse(place, "\"minProperties\" is supported up to {}", kMostNeeded);
    }
    add_object(slot, std::move(form), place);
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
    if ((form.types & kFraction) != 0 && !bounds.bounded && bounds.decimal_step == 1) {
      add_node(slot, Node::Kind::number, grammar_.numbers, rule);
      return;
    }
    if ((form.types & kFraction) != 0) {
      rule.kind = NumberRule::Kind::decimal;
      rule.minimum = bounds.first_decimal;
      rule.maximum = bounds.last_decimal;
      rule.step = bounds.decimal_step;
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
    return with_place(form.patterns.empty() ? place : *form.patterns[0].schema, [&] {
      CharacterAutomaton automaton =
          CharacterAutomaton::of_length(form.shortest, form.longest, budget_);
      const bool any_length = form.shortest == 0 && form.longest == kUnbounded;
      bool first = any_length;
      const auto demand = [&](const CharacterAutomaton& part) {
        automaton = first ? part : CharacterAutomaton::both(automaton, part, budget_);
        first = false;
      };
      for (const TextRule& rule : form.patterns) demand(automaton_of(rule));
      for (const std::string& format : form.formats) demand(book_.like(format));
      return automaton;
    });
  }

  const CharacterAutomaton& automaton_of(const TextRule& rule) {
    const auto& pattern =
        rule.schema->at(rule.unlike ? kUnlike : "pattern").get_ref<const std::string&>();
    return with_place(*rule.schema, [&]() -> const CharacterAutomaton& {
      return rule.unlike ? book_.unlike(pattern) : book_.like(pattern);
    });
  }

  /// Runs what knows of no schema and says in its errors where it was.
  template <typename Work>
  auto with_place(const Json& schema, const Work& work) -> decltype(work()) {
    try {
      return work();
    } catch (const Error& error) {
      const bool placed = std::string_view(error.what()).starts_with("the schema at");
      if (error.code() != ErrorCode::invalid_input || placed) throw;
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

  void add_object(SlotId slot, Form form, const Json& place) {
    for (const std::string& name : form.required) {
      if (!form.property_index.contains(name)) form.add_property(name, form.property(name));
    }
    const std::optional<CharacterAutomaton> allowed = names_of(form, place);
    ObjectRule rule;
    std::vector<std::string> names;
    for (const auto& [name, schemas] : form.properties) {
      names.push_back(name);
      const bool possible = !allowed || allowed->matches(name);
      rule.properties.push_back({slot_of(possible ? schemas : Schemas{&impossible_}), false});
    }
    for (const std::string& name : form.required) {
      rule.properties[form.property_index.at(name)].required = true;
    }
    if (form.name_rules.empty() && !allowed) {
      rule.additional = slot_of(form.additional);
    } else {
      add_name_classes(rule, form, allowed ? &*allowed : nullptr, place);
    }
    rule.minimum = form.fewest_properties;
    rule.maximum = form.most_properties;
    add_object(slot, std::move(rule), names);
  }

  void add_name_classes(ObjectRule& rule, const Form& form, const CharacterAutomaton* allowed,
                        const Json& place) {
    auto groups = with_place(place, [&] { return group_names(form, allowed, book_); });
    for (NameGroup& group : groups) {
      ObjectRule::NameClass names;
      names.automaton = static_cast<uint32_t>(grammar_.automata.size());
      names.slot = slot_of(group.schemas);
      names.texts_from = group.names.texts_from(ObjectRule::kMostNames);
      names.never_used_up =
          std::all_of(names.texts_from.begin(), names.texts_from.end(),
                      [](uint32_t texts) { return texts == 0 || texts >= ObjectRule::kMostNames; });
      const auto start = static_cast<size_t>(group.names.start());
      if (form.fewest_properties > 0 && names.texts_from[start] < ObjectRule::kMostNames) {
        document_.refuse(place,
                         "\"minProperties\" is not supported together with "
                         "\"patternProperties\" or \"propertyNames\" that allow few names");
      }
      grammar_.automata.push_back(std::move(group.names));
      rule.name_classes.push_back(std::move(names));
    }
  }

  /// The names that "propertyNames" allows, or none: all.
  std::optional<CharacterAutomaton> names_of(const Form& form, const Json& place) {
    if (form.name_schemas.empty()) return std::nullopt;
    // What none of the alternatives accepts is refused.
    CharacterAutomaton refused = CharacterAutomaton::of_length(0, kUnbounded, budget_);
    for (const Form& names : expander_.expand(form.name_schemas)) {
      if ((names.types & kString) == 0) continue;
      CharacterAutomaton some = automaton_of(names, place);
      refused = with_place(place, [&] {
        if (names.literals) {
          const auto words = book_.like(pattern_of_texts(texts_among(*names.literals)));
          some = CharacterAutomaton::both(some, words, budget_);
        }
        return CharacterAutomaton::both(refused, CharacterAutomaton::besides(some, budget_),
                                        budget_);
      });
    }
    return CharacterAutomaton::besides(refused, budget_);
  }

  static std::vector<std::string> texts_among(const std::vector<const Json*>& values) {
    std::vector<std::string> texts;
    for (const Json* value : values) {
      if (value->is_string()) texts.push_back(value->get<std::string>());
    }
    return texts;
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
    rule.required_after.assign(count + 1, 0);
    for (uint32_t i = count; i-- > 0;) {
      rule.next_required[i] = rule.properties[i].required ? i : rule.next_required[i + 1];
      rule.required_after[i] = rule.required_after[i + 1] + (rule.properties[i].required ? 1 : 0);
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
    return std::all_of(form.patterns.begin(), form.patterns.end(), [&](const TextRule& rule) {
      const CharacterAutomaton& automaton = automaton_of(rule);
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
  PatternBudget budget_;
  PatternBook book_;
  SchemaExpander expander_;
  Grammar grammar_;
  const Json impossible_ = false;
  std::map<Schemas, SlotId> slots_;
  std::vector<std::pair<SlotId, Schemas>> pending_;
};

}  // namespace

std::shared_ptr<const Grammar> compile_schema(std::string_view schema_json,
                                              const std::stop_token& stop) {
  return std::make_shared<const Grammar>(SchemaCompiler(schema_json, stop).compile());
}

}  // namespace lazyllm::grammar
