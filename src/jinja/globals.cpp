// SPDX-License-Identifier: Apache-2.0
// The functions every template can call.
#include <ctime>
#include <utility>

#include "jinja/interpreter.h"

namespace lazyllm::jinja {
namespace {

Value function(std::string name, std::function<Value(Runtime&, CallArguments&)> call) {
  return Value(
      std::make_shared<const FunctionObject>(FunctionObject{std::move(name), std::move(call)}));
}

Value make_range(Runtime&, CallArguments& arguments) {
  if (!arguments.keywords.empty()) refuse("range() takes no keyword arguments");
  const Values& given = arguments.positional;
  if (given.empty() || given.size() > 3) refuse("range() takes one to three integers");
  for (const Value& value : given) {
    if (!value.is_integral()) refuse("range() needs integers, not a {}", type_name(value));
  }
  RangeObject range{0, given[0].integer(), 1};
  if (given.size() > 1) range = {given[0].integer(), given[1].integer(), 1};
  if (given.size() > 2) range.step = given[2].integer();
  if (range.step == 0) refuse("range() cannot have the step 0");
  const int64_t length = range.length();
  if (length < 0 || length > kMaxRange) refuse("range() is over {} elements", kMaxRange);
  return Value(std::make_shared<const RangeObject>(range));
}

Value make_dict(Runtime& runtime, CallArguments& arguments) {
  if (arguments.positional.size() > 1) refuse("dict() takes at most one positional argument");
  Entries entries;
  for (const Value& given : arguments.positional) {
    if (given.is(Value::Kind::dict)) {
      runtime.budget.charge_items(given.entries().size());
      entries = given.entries();
      continue;
    }
    for (const Value& pair : runtime.iterate(given)) {
      Values parts = runtime.iterate(pair);
      if (parts.size() != 2) refuse("dict() needs pairs");
      set_entry(entries, std::move(parts[0]), std::move(parts[1]), runtime.budget);
    }
  }
  for (const auto& [name, value] : arguments.keywords) {
    set_entry(entries, Value::literal(name), value, runtime.budget);
  }
  return Value::dict(std::move(entries));
}

Value raise_exception(Runtime& runtime, CallArguments& arguments) {
  const auto bound = arguments.bind("raise_exception", {"message"});
  if (!bound[0]) refuse("raise_exception() needs a message");
  refuse("the template refuses this conversation: {}", runtime.print(*bound[0]).bytes());
}

Value strftime_now(Runtime& runtime, CallArguments& arguments) {
  const auto bound = arguments.bind("strftime_now", {"format"});
  if (!bound[0] || !bound[0]->is_string()) refuse("strftime_now() needs a format");
  const Text& format = bound[0]->text();
  if (format.size() > 1000) refuse("the format of strftime_now() is too long");
  std::timespec now{};
  std::timespec_get(&now, TIME_UTC);
  std::tm local{};
  localtime_r(&now.tv_sec, &local);
  // %f is Python's own: microseconds. The last character tells an empty result
  // from a full buffer.
  std::string pattern;
  for (size_t i = 0; i < format.size(); ++i) {
    const char c = format.bytes()[i];
    if (c == '%' && i + 1 < format.size() && format.bytes()[i + 1] == 'f') {
      pattern += fmt::format("{:06}", now.tv_nsec / 1000);
      ++i;
    } else if (c == '%' && i + 1 < format.size()) {
      pattern += c;
      pattern += format.bytes()[++i];
    } else {
      pattern += c;
    }
  }
  pattern += '.';
  std::string buffer(65536, '\0');
  buffer.resize(std::strftime(buffer.data(), buffer.size(), pattern.c_str(), &local));
  if (buffer.empty()) refuse("the format of strftime_now() gives too long a text");
  buffer.pop_back();
  runtime.budget.charge_text(buffer.size());
  return Value(Text(std::move(buffer), format.all_from_template()));
}

Value make_joiner(Runtime& runtime, CallArguments& arguments) {
  const auto bound = arguments.bind("joiner", {"sep"});
  const Text separator = bound[0] ? runtime.print(*bound[0]) : Text(", ", true);
  return function("joiner",
                  [separator, used = std::make_shared<bool>(false)](Runtime&, CallArguments&) {
                    return std::exchange(*used, true) ? Value(separator) : Value(Text());
                  });
}

}  // namespace

std::vector<std::pair<std::string, Value>> global_functions() {
  return {
      {"range", function("range", make_range)},
      {"dict", function("dict", make_dict)},
      {"raise_exception", function("raise_exception", raise_exception)},
      {"strftime_now", function("strftime_now", strftime_now)},
      {"joiner", function("joiner", make_joiner)},
      {"namespace", function("namespace",
                             [](Runtime& runtime, CallArguments& arguments) {
                               return runtime.make_namespace(arguments);
                             })},
  };
}

}  // namespace lazyllm::jinja
