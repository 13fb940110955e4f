// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/budget.h"
#include "jinja/text.h"

namespace lazyllm::jinja {

class Value;
class Runtime;
struct CallArguments;

using Values = std::vector<Value>;

/// Elements of a list or a tuple.
struct ListObject;
struct DictObject;
struct RangeObject;
struct ViewObject;
struct GeneratorObject;
struct NamespaceObject;
struct MacroObject;
class LoopObject;
struct FunctionObject;

/// A value of the template language with Python's meaning. Cheap to copy; all but
/// namespaces, loops and generators are immutable, so values form no cycles.
class Value {
 public:
  enum class Kind : uint8_t {
    undefined,
    none,
    boolean,
    integer,
    real,
    string,
    list,
    tuple,
    dict,
    range,
    view,       ///< dict.keys(), dict.values(), dict.items()
    generator,  ///< what lazy filters return: can be walked once
    name_space,
    macro,
    loop,
    function,
  };

  Value() = default;  ///< None
  explicit Value(bool value) : kind_(Kind::boolean), integer_(value) {}
  explicit Value(int64_t value) : kind_(Kind::integer), integer_(value) {}
  explicit Value(double value) : kind_(Kind::real), real_(value) {}
  explicit Value(Text text);
  explicit Value(std::shared_ptr<const RangeObject> range);
  explicit Value(std::shared_ptr<const ViewObject> view);
  explicit Value(std::shared_ptr<GeneratorObject> generator);
  explicit Value(std::shared_ptr<LoopObject> loop);
  explicit Value(std::shared_ptr<const FunctionObject> function);
  /// Not owned: the runtime keeps them, so that cycles through them are harmless.
  explicit Value(NamespaceObject* name_space);
  explicit Value(const MacroObject* macro);

  static Value undefined(std::string why);
  static Value list(Values items);
  static Value tuple(Values items);
  static Value dict(std::vector<std::pair<Value, Value>> items);
  /// A string that `safe` or `escape` made: a text added to it gets HTML-escaped.
  static Value markup(Text text) {
    Value value(std::move(text));
    value.markup_ = true;
    return value;
  }
  /// A whole number beyond 64 bits: printed as it is spelled, computed with as a fraction.
  static Value spelled(double number, std::string spelling) {
    Value value(number);
    value.object_ = std::make_shared<std::string>(std::move(spelling));
    return value;
  }
  static Value literal(std::string_view bytes) { return Value(Text(std::string(bytes), true)); }
  /// Everything in it is from the conversation, from this part of it.
  static Value from_json(const nlohmann::ordered_json& json, int32_t part = 0);

  Kind kind() const { return kind_; }
  bool is(Kind kind) const { return kind_ == kind; }
  bool is_undefined() const { return kind_ == Kind::undefined; }
  bool is_none() const { return kind_ == Kind::none; }
  bool is_string() const { return kind_ == Kind::string; }
  bool is_markup() const { return markup_; }
  bool is_sequence() const { return kind_ == Kind::list || kind_ == Kind::tuple; }
  bool is_integral() const { return kind_ == Kind::integer || kind_ == Kind::boolean; }
  bool is_number() const { return is_integral() || kind_ == Kind::real; }

  // Only for the kind in question.
  bool boolean() const { return integer_ != 0; }
  int64_t integer() const { return integer_; }  ///< booleans too, 0 or 1
  double number() const {                       ///< any number
    return kind_ == Kind::real ? real_ : static_cast<double>(integer_);
  }
  /// Of a number that has one of its own, or null.
  const std::string* spelling() const {
    return kind_ == Kind::real && object_ != nullptr ? &get<const std::string>() : nullptr;
  }
  const Text& text() const { return get<const Text>(); }
  const Values& items() const;  ///< list or tuple
  const std::vector<std::pair<Value, Value>>& entries() const;
  const std::string& why_undefined() const { return get<const std::string>(); }
  const RangeObject& range() const { return get<const RangeObject>(); }
  const ViewObject& view() const { return get<const ViewObject>(); }
  GeneratorObject& generator() const { return get<GeneratorObject>(); }
  NamespaceObject& name_space() const { return get<NamespaceObject>(); }
  const MacroObject& macro() const { return get<const MacroObject>(); }
  LoopObject& loop() const { return get<LoopObject>(); }
  const FunctionObject& function() const { return get<const FunctionObject>(); }

  /// Same object, in Python's sense of `is`.
  bool same_as(const Value& other) const;
  /// How deep values nest in it; bounds every recursion over values.
  int depth() const;
  bool is_hashable() const;
  /// True if a string from the conversation is in it; for namespaces always.
  bool holds_conversation_text() const;

 private:
  template <typename T>
  T& get() const {
    return *static_cast<T*>(object_.get());
  }

  Kind kind_ = Kind::none;
  bool markup_ = false;
  union {
    int64_t integer_ = 0;
    double real_;
  };
  std::shared_ptr<void> object_;
};

using Entries = std::vector<std::pair<Value, Value>>;

/// What is known of all values inside, gathered when a list or dict is built: values
/// may share parts so often that walking them later would take forever.
struct Summary {
  int depth = 1;
  bool hashable = true;
  bool conversation = false;  ///< holds a string from the conversation
};

struct ListObject {
  Values items;
  Summary summary;
};

struct DictObject {
  Entries entries;  ///< in order of insertion, keys unique and hashable
  Summary summary;
};

struct RangeObject {
  int64_t start, stop, step;
  int64_t length() const;
};

struct ViewObject {
  enum class Part { keys, values, items };
  Value dict;
  Part part;
};

struct GeneratorObject {
  std::function<Values()> produce;  ///< called at the first use
  int depth;
  Values items;
  size_t position = 0;
};

struct NamespaceObject {
  std::vector<std::pair<std::string, Value>> attributes;
};

struct FunctionObject {
  std::string name;
  std::function<Value(Runtime&, CallArguments&)> call;
  int depth = 1;
};

/// Python's names, for messages: "str", "dict", ...
std::string_view type_name(const Value& value);
bool is_true(const Value& value);
/// len(); nothing for what has no length.
std::optional<int64_t> length_of(const Value& value, Budget& budget);

bool equal(const Value& left, const Value& right, Budget& budget);
/// -1, 0 or 1; refuses what Python cannot order. NaN compares as 2.
int compare(const Value& left, const Value& right, Budget& budget);
/// The entry with this key or null. The key is hashable.
const Value* find_entry(const Entries& entries, const Value& key, Budget& budget);
void set_entry(Entries& entries, Value key, Value value, Budget& budget);

/// str() and repr(). Strings keep their origins; what is added (quotes, commas,
/// digits) is template text unless a string from the conversation is inside.
Text to_text(const Value& value, Budget& budget);
Text representation(const Value& value, Budget& budget);
std::string representation_of(double number);

}  // namespace lazyllm::jinja
