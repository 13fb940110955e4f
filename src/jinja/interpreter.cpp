// SPDX-License-Identifier: Apache-2.0
// Statements and scopes; expressions are in evaluate.cpp.
#include "jinja/interpreter.h"

#include <algorithm>

namespace lazyllm::jinja {

class Runtime::Inner {
 public:
  explicit Inner(Runtime& runtime, Scope* parent = nullptr)
      : runtime_(runtime), outer_(runtime.scope_), scope_(std::make_unique<Scope>()) {
    runtime_.budget.charge(8 * Budget::kNode);
    scope_->parent = parent != nullptr ? parent : outer_;
    runtime_.scope_ = scope_.get();
  }
  ~Inner() {
    runtime_.scope_ = outer_;
    if (scope_->captured) runtime_.captured_scopes_.push_back(std::move(scope_));
  }
  Inner(const Inner&) = delete;
  Inner& operator=(const Inner&) = delete;

  Scope& scope() { return *scope_; }

 private:
  Runtime& runtime_;
  Scope* outer_;
  std::unique_ptr<Scope> scope_;
};

std::vector<std::optional<Value>> CallArguments::bind(
    std::string_view function, std::initializer_list<std::string_view> names) const {
  if (positional.size() > names.size()) {
    refuse("{}() takes at most {} arguments, {} were given", function, names.size(),
           positional.size());
  }
  std::vector<std::optional<Value>> bound(positional.begin(), positional.end());
  bound.resize(names.size());
  for (const auto& [name, value] : keywords) {
    const auto* known = std::find(names.begin(), names.end(), name);
    if (known == names.end()) refuse("{}() knows no argument '{}'", function, name);
    std::optional<Value>& slot = bound[static_cast<size_t>(known - names.begin())];
    if (slot) refuse("{}() got two values for '{}'", function, name);
    slot = value;
  }
  return bound;
}

Runtime::Runtime(std::vector<std::pair<std::string, Value>> variables) : scope_(&globals_) {
  for (auto& [name, value] : global_functions()) {
    globals_.variables.emplace(std::move(name), std::move(value));
  }
  for (auto& [name, value] : variables) globals_.variables[name] = std::move(value);
}

Runtime::~Runtime() {
  // Scopes may hold generators whose closures look at other values; no order matters
  // beyond that namespaces and macros, which are only pointed at, go last.
  globals_.variables.clear();
  captured_scopes_.clear();
}

Text Runtime::render(const Block& program) {
  Text out;
  out_ = &out;
  // Variables of the template shadow the given ones.
  Inner inner(*this);
  execute(program);
  return out;
}

Runtime::Flow Runtime::execute(const Block& block) {
  for (const Statement& statement : block) {
    const Flow flow = execute(statement);
    if (flow != Flow::next) return flow;
  }
  return Flow::next;
}

Runtime::Flow Runtime::execute(const Statement& statement) {
  const DepthGuard guard(depth_, kMaxEvaluationDepth);
  budget.charge(Budget::kNode);
  line_ = statement.line;
  switch (statement.kind) {
    case Statement::Kind::output:
      for (const ExpressionPtr& expression : statement.expressions) {
        if (expression->kind == Expression::Kind::constant && expression->value.is_string()) {
          write(expression->value.text());
        } else {
          write(print(evaluate(*expression)));
        }
      }
      return Flow::next;
    case Statement::Kind::loop:
      return run_loop(statement);
    case Statement::Kind::branch:
      return branch(statement);
    case Statement::Kind::set:
    case Statement::Kind::set_block:
      set(statement);
      return Flow::next;
    case Statement::Kind::macro:
      define_macro(statement);
      return Flow::next;
    case Statement::Kind::call_block:
      call_block(statement);
      return Flow::next;
    case Statement::Kind::filter_block:
      filter_block(statement);
      return Flow::next;
    case Statement::Kind::with:
      return with(statement);
    case Statement::Kind::scope:
      write(capture(statement.blocks[0]));
      return Flow::next;
    case Statement::Kind::leave_loop:
      return Flow::leave_loop;
    case Statement::Kind::next_round:
      return Flow::next_round;
  }
  return Flow::next;
}

Runtime::Flow Runtime::run_loop(const Statement& statement) {
  const Expression& target = *statement.targets[0];
  Values items = iterate(evaluate(*statement.expressions[0]));
  std::function<bool(const Value&)> condition;
  if (statement.expressions[1]) {
    // The clause may run from anywhere in the body (loop.last looks ahead), so it is
    // tied to the scope around the loop.
    condition = [this, &statement, &target, around = scope_](const Value& item) {
      Inner inner(*this, around);
      assign(target, item);
      return is_true(evaluate(*statement.expressions[1]));
    };
  }
  const auto loop = std::make_shared<LoopObject>(std::move(items), std::move(condition));
  const struct Finish {
    LoopObject& loop;
    ~Finish() { loop.finish(); }
  } finish{*loop};
  const Value loop_value{loop};
  while (std::optional<Value> item = loop->advance()) {
    Inner inner(*this);
    inner.scope().variables.emplace("loop", loop_value);
    assign(target, std::move(*item));
    if (execute(statement.blocks[0]) == Flow::leave_loop) return Flow::next;
  }
  if (loop->index0() >= 0) return Flow::next;
  Inner inner(*this);
  return execute(statement.blocks[1]);
}

Runtime::Flow Runtime::branch(const Statement& statement) {
  for (size_t i = 0; i < statement.expressions.size(); ++i) {
    line_ = statement.expressions[i]->line;
    if (is_true(evaluate(*statement.expressions[i]))) return execute(statement.blocks[i]);
  }
  if (statement.blocks.size() > statement.expressions.size()) {
    return execute(statement.blocks.back());
  }
  return Flow::next;
}

void Runtime::set(const Statement& statement) {
  if (statement.kind == Statement::Kind::set) {
    return assign(*statement.targets[0], evaluate(*statement.expressions[0]));
  }
  Value value(capture(statement.blocks[0]));
  if (statement.expressions[0]) value = evaluate_filter(*statement.expressions[0], &value);
  assign(*statement.targets[0], std::move(value));
}

void Runtime::assign(const Expression& target, Value value) {
  switch (target.kind) {
    case Expression::Kind::name:
      scope_->variables.insert_or_assign(target.name, std::move(value));
      return;
    case Expression::Kind::attribute_of_namespace: {
      const Value holder = evaluate_name(target);
      if (!holder.is(Value::Kind::name_space)) {
        refuse("cannot set '{}.{}': '{}' is no namespace()", target.name, target.attribute,
               target.name);
      }
      if (target.attribute.starts_with('_')) {
        refuse("namespace attributes must not begin with '_': '{}'", target.attribute);
      }
      auto& attributes = holder.name_space().attributes;
      budget.charge(attributes.size());
      for (auto& [name, known] : attributes) {
        if (name == target.attribute) {
          known = std::move(value);
          return;
        }
      }
      budget.charge_items(1);
      attributes.emplace_back(target.attribute, std::move(value));
      return;
    }
    default: {
      Values items = iterate(value);
      if (items.size() != target.children.size()) {
        refuse("cannot unpack {} values into {} names", items.size(), target.children.size());
      }
      for (size_t i = 0; i < items.size(); ++i) assign(*target.children[i], std::move(items[i]));
    }
  }
}

void Runtime::write(const Text& text) {
  if (text.size() > Budget::kMaxText - std::min(out_->size(), Budget::kMaxText)) {
    refuse("the text grows over the bound of {} bytes", Budget::kMaxText);
  }
  budget.charge_text(text.size());
  out_->append(text);
}

Text Runtime::capture(const Block& block) {
  Text text;
  const struct Redirect {
    Text*& out;
    Text* outer;
    ~Redirect() { out = outer; }
  } redirect{out_, out_};
  out_ = &text;
  Inner inner(*this);
  execute(block);
  return text;
}

const MacroObject* Runtime::new_macro(const Statement& statement) {
  budget.charge(1024);
  for (Scope* scope = scope_; scope != nullptr && !scope->captured; scope = scope->parent) {
    scope->captured = true;
  }
  macros_.push_back(std::make_unique<MacroObject>(MacroObject{statement.name, &statement, scope_}));
  return macros_.back().get();
}

void Runtime::define_macro(const Statement& statement) {
  scope_->variables.insert_or_assign(statement.name, Value(new_macro(statement)));
}

void Runtime::call_block(const Statement& statement) {
  const Value caller(new_macro(statement));
  write(print(evaluate_call(*statement.expressions[0], &caller)));
}

Runtime::Flow Runtime::with(const Statement& statement) {
  Values values;
  for (const ExpressionPtr& expression : statement.expressions) {
    values.push_back(evaluate(*expression));
  }
  Inner inner(*this);
  for (size_t i = 0; i < values.size(); ++i) assign(*statement.targets[i], std::move(values[i]));
  return execute(statement.blocks[0]);
}

void Runtime::filter_block(const Statement& statement) {
  const Value text(capture(statement.blocks[0]));
  write(print(evaluate_filter(*statement.expressions[0], &text)));
}

Value Runtime::call_macro(const MacroObject& macro, CallArguments& arguments) {
  const DepthGuard guard(depth_, kMaxEvaluationDepth);
  const Statement& definition = *macro.definition;
  Text text;
  const struct Redirect {
    Text*& out;
    Text* outer;
    ~Redirect() { out = outer; }
  } redirect{out_, out_};
  out_ = &text;
  Inner inner(*this, macro.scope);
  auto& variables = inner.scope().variables;
  auto& keywords = arguments.keywords;
  const auto take = [&](const std::string& name) -> std::optional<Value> {
    for (auto it = keywords.begin(); it != keywords.end(); ++it) {
      if (it->first != name) continue;
      Value value = std::move(it->second);
      keywords.erase(it);
      return value;
    }
    return std::nullopt;
  };
  bool caller_is_parameter = false;
  for (size_t i = 0; i < definition.parameters.size(); ++i) {
    const Parameter& parameter = definition.parameters[i];
    caller_is_parameter = caller_is_parameter || parameter.name == "caller";
    std::optional<Value> value;
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else {
      value = take(parameter.name);
    }
    if (value) {
      variables.insert_or_assign(parameter.name, std::move(*value));
    } else if (!parameter.default_value) {
      variables.insert_or_assign(
          parameter.name,
          Value::undefined(fmt::format("parameter '{}' was not provided", parameter.name)));
    }
  }
  if (definition.takes_caller && !caller_is_parameter) {
    variables.insert_or_assign("caller",
                               take("caller").value_or(Value::undefined("No caller defined")));
  }
  if (definition.takes_keywords) {
    Entries entries;
    for (auto& [name, value] : keywords) {
      entries.emplace_back(Value::literal(name), std::move(value));
    }
    variables.insert_or_assign("kwargs", Value::dict(std::move(entries)));
  } else if (!keywords.empty()) {
    refuse("macro '{}' takes no argument '{}'", macro.name, keywords.front().first);
  }
  const size_t count = definition.parameters.size();
  Values more;
  for (size_t i = count; i < arguments.positional.size(); ++i) {
    more.push_back(arguments.positional[i]);
  }
  if (definition.takes_more) {
    variables.insert_or_assign("varargs", Value::tuple(std::move(more)));
  } else if (!more.empty()) {
    refuse("macro '{}' takes at most {} arguments, {} were given", macro.name, count,
           arguments.positional.size());
  }
  for (const Parameter& parameter : definition.parameters) {
    if (parameter.default_value && variables.find(parameter.name) == variables.end()) {
      Value value = evaluate(*parameter.default_value);
      variables.insert_or_assign(parameter.name, std::move(value));
    }
  }
  execute(definition.blocks[0]);
  return Value(std::move(text));
}

Value Runtime::make_namespace(CallArguments& arguments) {
  if (arguments.positional.size() > 1) refuse("namespace() takes at most one positional argument");
  auto made = std::make_unique<NamespaceObject>();
  const auto put = [&](const std::string& name, Value value) {
    if (name.starts_with('_')) {
      refuse("namespace attributes must not begin with '_': '{}'", name);
    }
    budget.charge_items(1);
    for (auto& [known, old] : made->attributes) {
      if (known == name) {
        old = std::move(value);
        return;
      }
    }
    made->attributes.emplace_back(name, std::move(value));
  };
  for (const Value& given : arguments.positional) {
    if (!given.is(Value::Kind::dict))
      refuse("namespace() takes a dict, not a {}", type_name(given));
    for (const auto& [key, value] : given.entries()) {
      if (!key.is_string()) refuse("namespace() takes a dict with strings as keys");
      put(key.text().bytes(), value);
    }
  }
  for (const auto& [name, value] : arguments.keywords) put(name, value);
  namespaces_.push_back(std::move(made));
  return Value(namespaces_.back().get());
}

}  // namespace lazyllm::jinja
