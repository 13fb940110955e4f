// SPDX-License-Identifier: Apache-2.0
#include "jinja/value.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "jinja/loop.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

int checked_depth(int deepest_child) {
  if (deepest_child >= kMaxValueDepth) {
    refuse("a value nests deeper than {} levels", kMaxValueDepth);
  }
  return deepest_child + 1;
}

void include(Summary& summary, const Value& item) {
  summary.depth = std::max(summary.depth, checked_depth(item.depth()));
  summary.hashable = summary.hashable && item.is_hashable();
  summary.conversation = summary.conversation || item.holds_conversation_text();
}

template <typename T>
std::shared_ptr<void> unowned(T* object) {
  return {std::shared_ptr<void>(), const_cast<void*>(static_cast<const void*>(object))};
}

}  // namespace

Value::Value(Text text) : kind_(Kind::string), object_(std::make_shared<Text>(std::move(text))) {}

Value::Value(std::shared_ptr<const RangeObject> range)
    : kind_(Kind::range), object_(std::const_pointer_cast<RangeObject>(std::move(range))) {}

Value::Value(std::shared_ptr<const ViewObject> view)
    : kind_(Kind::view), object_(std::const_pointer_cast<ViewObject>(std::move(view))) {}

Value::Value(std::shared_ptr<GeneratorObject> generator)
    : kind_(Kind::generator), object_(std::move(generator)) {
  checked_depth(this->generator().depth);
}

Value::Value(std::shared_ptr<LoopObject> loop) : kind_(Kind::loop), object_(std::move(loop)) {
  checked_depth(this->loop().depth());
}

Value::Value(std::shared_ptr<const FunctionObject> function)
    : kind_(Kind::function), object_(std::const_pointer_cast<FunctionObject>(std::move(function))) {
  checked_depth(this->function().depth);
}

Value::Value(NamespaceObject* name_space) : kind_(Kind::name_space), object_(unowned(name_space)) {}

Value::Value(const MacroObject* macro) : kind_(Kind::macro), object_(unowned(macro)) {}

Value Value::undefined(std::string why) {
  Value value;
  value.kind_ = Kind::undefined;
  value.object_ = std::make_shared<std::string>(std::move(why));
  return value;
}

Value Value::list(Values items) {
  Value value;
  value.kind_ = Kind::list;
  Summary summary;
  for (const Value& item : items) include(summary, item);
  value.object_ = std::make_shared<ListObject>(ListObject{std::move(items), summary});
  return value;
}

Value Value::tuple(Values items) {
  Value value = list(std::move(items));
  value.kind_ = Kind::tuple;
  return value;
}

Value Value::dict(Entries entries) {
  Summary summary;
  for (const auto& [key, item] : entries) {
    include(summary, key);
    include(summary, item);
  }
  Value value;
  value.kind_ = Kind::dict;
  value.object_ = std::make_shared<DictObject>(DictObject{std::move(entries), summary});
  return value;
}

namespace {

Value convert(const nlohmann::ordered_json& json, int32_t part, int level) {
  if (level > kMaxValueDepth) refuse("the messages nest deeper than {} levels", kMaxValueDepth);
  using Type = nlohmann::ordered_json::value_t;
  switch (json.type()) {
    case Type::boolean:
      return Value(json.get<bool>());
    case Type::number_integer:
      return Value(json.get<int64_t>());
    case Type::number_unsigned: {
      const auto number = json.get<uint64_t>();
      if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        return Value::spelled(static_cast<double>(number), std::to_string(number));
      }
      return Value(static_cast<int64_t>(number));
    }
    case Type::number_float:
      return Value(json.get<double>());
    case Type::string:
      return Value(Text(json.get_ref<const std::string&>(), Origin(false, part)));
    case Type::array: {
      Values items;
      items.reserve(json.size());
      for (const auto& item : json) items.push_back(convert(item, part, level + 1));
      return Value::list(std::move(items));
    }
    case Type::object: {
      Entries entries;
      entries.reserve(json.size());
      for (const auto& [key, item] : json.items()) {
        entries.emplace_back(Value(Text(key, Origin(false, part))), convert(item, part, level + 1));
      }
      return Value::dict(std::move(entries));
    }
    default:
      return {};
  }
}

}  // namespace

Value Value::from_json(const nlohmann::ordered_json& json, int32_t part) {
  return convert(json, part, 0);
}

const Values& Value::items() const {
  return get<const ListObject>().items;
}

const Entries& Value::entries() const {
  return get<const DictObject>().entries;
}

bool Value::same_as(const Value& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case Kind::none:
      return true;
    case Kind::boolean:
    case Kind::integer:
      return integer_ == other.integer_;
    case Kind::real:
      return real_ == other.real_;
    case Kind::string:
      return object_ == other.object_ || text().bytes() == other.text().bytes();
    default:
      return object_.get() == other.object_.get();
  }
}

int Value::depth() const {
  switch (kind_) {
    case Kind::list:
    case Kind::tuple:
      return get<const ListObject>().summary.depth;
    case Kind::dict:
      return get<const DictObject>().summary.depth;
    case Kind::view:
      return view().dict.depth() + 1;
    case Kind::generator:
      return generator().depth;
    case Kind::loop:
      return loop().depth();
    case Kind::function:
      return function().depth;
    default:
      return 0;
  }
}

bool Value::is_hashable() const {
  switch (kind_) {
    case Kind::list:
    case Kind::dict:
    case Kind::view:
      return false;
    case Kind::tuple:
      return get<const ListObject>().summary.hashable;
    default:
      return true;
  }
}

bool Value::holds_conversation_text() const {
  switch (kind_) {
    case Kind::string:
      return !text().all_from_template();
    case Kind::list:
    case Kind::tuple:
      return get<const ListObject>().summary.conversation;
    case Kind::dict:
      return get<const DictObject>().summary.conversation;
    case Kind::view:
      return view().dict.holds_conversation_text();
    case Kind::name_space:
    case Kind::generator:
    case Kind::loop:
      return true;
    default:
      return false;
  }
}

int64_t RangeObject::length() const {
  if (step > 0 && start < stop) {
    return static_cast<int64_t>((static_cast<uint64_t>(stop) - static_cast<uint64_t>(start) - 1) /
                                    static_cast<uint64_t>(step) +
                                1);
  }
  if (step < 0 && start > stop) {
    return static_cast<int64_t>((static_cast<uint64_t>(start) - static_cast<uint64_t>(stop) - 1) /
                                    (~static_cast<uint64_t>(step) + 1) +
                                1);
  }
  return 0;
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::undefined:
      return "Undefined";
    case Value::Kind::none:
      return "NoneType";
    case Value::Kind::boolean:
      return "bool";
    case Value::Kind::integer:
      return "int";
    case Value::Kind::real:
      return "float";
    case Value::Kind::string:
      return "str";
    case Value::Kind::list:
      return "list";
    case Value::Kind::tuple:
      return "tuple";
    case Value::Kind::dict:
      return "dict";
    case Value::Kind::range:
      return "range";
    case Value::Kind::view:
      return "dict view";
    case Value::Kind::generator:
      return "generator";
    case Value::Kind::name_space:
      return "Namespace";
    case Value::Kind::macro:
      return "Macro";
    case Value::Kind::loop:
      return "LoopContext";
    case Value::Kind::function:
      return "function";
  }
  return "value";
}

bool is_true(const Value& value) {
  switch (value.kind()) {
    case Value::Kind::undefined:
    case Value::Kind::none:
      return false;
    case Value::Kind::boolean:
    case Value::Kind::integer:
      return value.integer() != 0;
    case Value::Kind::real:
      return value.number() != 0;
    case Value::Kind::string:
      return !value.text().empty();
    case Value::Kind::list:
    case Value::Kind::tuple:
      return !value.items().empty();
    case Value::Kind::dict:
      return !value.entries().empty();
    case Value::Kind::range:
      return value.range().length() != 0;
    case Value::Kind::view:
      return is_true(value.view().dict);
    default:
      return true;
  }
}

std::optional<int64_t> length_of(const Value& value, Budget& budget) {
  switch (value.kind()) {
    case Value::Kind::undefined:
      return 0;
    case Value::Kind::string:
      budget.charge(value.text().size());
      return static_cast<int64_t>(count_characters(value.text().bytes()));
    case Value::Kind::list:
    case Value::Kind::tuple:
      return static_cast<int64_t>(value.items().size());
    case Value::Kind::dict:
      return static_cast<int64_t>(value.entries().size());
    case Value::Kind::range:
      return value.range().length();
    case Value::Kind::view:
      return length_of(value.view().dict, budget);
    case Value::Kind::loop:
      return value.loop().length();
    default:
      return std::nullopt;
  }
}

const Value* find_entry(const Entries& entries, const Value& key, Budget& budget) {
  budget.charge(entries.size() * 4 + 1);
  for (const auto& [known, item] : entries) {
    if (known.is_string() != key.is_string()) continue;
    if (equal(known, key, budget)) return &item;
  }
  return nullptr;
}

void set_entry(Entries& entries, Value key, Value value, Budget& budget) {
  if (!key.is_hashable()) refuse("unhashable type: '{}'", type_name(key));
  if (const Value* known = find_entry(entries, key, budget)) {
    *const_cast<Value*>(known) = std::move(value);
  } else {
    budget.charge_items(1);
    entries.emplace_back(std::move(key), std::move(value));
  }
}

}  // namespace lazyllm::jinja
