// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "jinja/ast.h"
#include "jinja/budget.h"
#include "jinja/loop.h"
#include "jinja/value.h"

namespace lazyllm::jinja {

/// What a call passes, to functions, macros, filters and tests alike.
struct CallArguments {
  Values positional;
  std::vector<std::pair<std::string, Value>> keywords;

  /// The arguments in the order of `names`; those not given are empty. Refuses
  /// surplus and unknown ones. `function` is for the message.
  std::vector<std::optional<Value>> bind(std::string_view function,
                                         std::initializer_list<std::string_view> names) const;
};

/// An argument that says yes or no; one that is not given says no.
inline bool flag(const std::optional<Value>& value) {
  return value && is_true(*value);
}

/// Variables of one block. Parents are alive as long as this one.
struct Scope {
  Scope* parent = nullptr;
  bool captured = false;  ///< a macro refers to it: it lives until the rendering ends
  std::unordered_map<std::string, Value> variables;
};

struct MacroObject {
  std::string name;
  const Statement* definition;
  Scope* scope;  ///< where it was defined
};

/// Renders one parsed template once. Not thread-safe; the AST is only read.
class Runtime {
 public:
  /// `variables` are visible to the template; functions like range() are built in.
  explicit Runtime(std::vector<std::pair<std::string, Value>> variables);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Refuses with RenderFailure; line() tells where.
  Text render(const Block& program);
  int line() const { return line_; }

  // For filters, tests and methods.
  Budget budget;
  /// subject.name and subject[key], with jinja2's rules of what shadows what.
  Value attribute(const Value& subject, const std::string& name);
  Value item(const Value& subject, const Value& key);
  Value slice(const Value& subject, const Value& start, const Value& stop, const Value& step);
  Value call(const Value& callee, CallArguments& arguments);
  /// All elements; consumes a generator.
  Values iterate(const Value& value);
  Value filter(const std::string& name, const Value& subject, CallArguments& arguments);
  bool test(const std::string& name, const Value& subject, CallArguments& arguments);
  Value generator(std::function<Values()> produce, const Value& source);
  Value make_namespace(CallArguments& arguments);
  Text print(const Value& value) { return to_text(value, budget); }

 private:
  enum class Flow { next, leave_loop, next_round };

  /// A scope for the life of the object, made the current one.
  class Inner;

  Flow execute(const Block& block);
  Flow execute(const Statement& statement);
  Flow run_loop(const Statement& statement);
  Flow branch(const Statement& statement);
  void set(const Statement& statement);
  void define_macro(const Statement& statement);
  void call_block(const Statement& statement);
  Flow with(const Statement& statement);
  void filter_block(const Statement& statement);
  void assign(const Expression& target, Value value);
  void write(const Text& text);
  /// What the block writes, in a scope of its own.
  Text capture(const Block& block);

  Value evaluate(const Expression& expression);
  Value evaluate_name(const Expression& expression);
  Value evaluate_sequence(const Expression& expression);
  Value evaluate_dict(const Expression& expression);
  Value evaluate_slice(const Expression& expression);
  Value evaluate_call(const Expression& expression, const Value* caller = nullptr);
  Value evaluate_filter(const Expression& expression, const Value* subject);
  Value evaluate_test(const Expression& expression);
  Value evaluate_compare(const Expression& expression);
  Value evaluate_concatenation(const Expression& expression);
  Value evaluate_conditional(const Expression& expression);
  CallArguments evaluate_arguments(const Expression& expression);
  const MacroObject* new_macro(const Statement& statement);
  Value call_macro(const MacroObject& macro, CallArguments& arguments);

  Scope globals_;
  Scope* scope_;
  Text* out_ = nullptr;
  int line_ = 0;
  int depth_ = 0;
  std::vector<std::unique_ptr<Scope>> captured_scopes_;
  std::vector<std::unique_ptr<MacroObject>> macros_;
  std::vector<std::unique_ptr<NamespaceObject>> namespaces_;
};

// The tables the interpreter dispatches to, one file each.

/// +, -, *, /, //, %, ** as Python does them.
Value arithmetic(Expression::Operator op, const Value& left, const Value& right, Runtime& runtime);
Value negated(const Value& value);
/// HTML-escaped, unless it is markup already.
Text escaped_text(const Value& value, Runtime& runtime);
bool contains(const Value& container, const Value& element, Runtime& runtime);

/// A bound method; `undefined` for one that would change its object (as the sandbox of
/// transformers), nothing if there is no such method.
std::optional<Value> method_of(const Value& subject, const std::string& name);
Value call_string_method(Runtime& runtime, const Text& self, const std::string& name,
                         CallArguments& arguments);
bool is_string_method(std::string_view name);

using Filter = Value (*)(Runtime&, const Value&, CallArguments&);
using Test = bool (*)(Runtime&, const Value&, CallArguments&);
Filter find_filter(std::string_view name);           ///< null if unknown
Filter find_sequence_filter(std::string_view name);  ///< those over elements
Test find_test(std::string_view name);

/// json.dumps with ensure_ascii off by default.
Value filter_tojson(Runtime& runtime, const Value& subject, CallArguments& arguments);
/// "%s and %d" % values
Text format_percent(const Text& format, const Value& values, Runtime& runtime);
/// "{} and {name}".format(...)
Text format_braces(const Text& format, CallArguments& arguments, Runtime& runtime);

/// range, dict, namespace, raise_exception, strftime_now, joiner, cycler.
std::vector<std::pair<std::string, Value>> global_functions();

}  // namespace lazyllm::jinja
