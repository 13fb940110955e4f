// SPDX-License-Identifier: Apache-2.0
#include "base/json_object.h"

#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/non_numbers.h"
#include "base/quote.h"

namespace lazyllm {
namespace {

using nlohmann::json;

constexpr int kDeepestNesting = 32;

/// Throws from inside the parser, before a hostile text has cost much memory.
json::parser_callback_t make_guard(std::set<std::string>& keys, const std::string& where) {
  return [&keys, &where](int depth, json::parse_event_t event, json& parsed) {
    if (depth >= kDeepestNesting) {
      fail(ErrorCode::invalid_file, "{}: the JSON is nested more than {} deep", where,
           kDeepestNesting);
    }
    if (depth == 1 && event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.insert(key).second) {
        fail(ErrorCode::invalid_file, "{}: key {} is there twice; the file is damaged", where,
             quote(key));
      }
    }
    return true;
  };
}

std::optional<int64_t> whole_number(const json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (std::in_range<int64_t>(number)) return static_cast<int64_t>(number);
  } else if (value.is_number_integer()) {
    return value.get<int64_t>();
  } else if (value.is_number_float()) {  // 131072.0: some tools write integers so
    const auto number = value.get<double>();
    if (std::abs(number) < 0x1p53 && number == std::trunc(number)) {
      return static_cast<int64_t>(number);
    }
  }
  return std::nullopt;
}

}  // namespace

json parse_json_object(std::string_view text, const std::string& where) {
  std::set<std::string> keys;
  json value;
  try {
    value = json::parse(quote_non_numbers(text), make_guard(keys, where));
  } catch (const json::parse_error& error) {
    fail(ErrorCode::invalid_file,
         "{}: not valid JSON at byte {}; the file is truncated or damaged, fetch it again", where,
         error.byte);
  } catch (const json::exception&) {
    fail(ErrorCode::invalid_file, "{}: the JSON has a number that is out of range", where);
  }
  if (!value.is_object()) {
    fail(ErrorCode::invalid_file, "{}: the JSON is not an object ({{...}})", where);
  }
  return value;
}

JsonObject::JsonObject(const json& object, std::string where, std::string prefix,
                       std::string advice)
    : object_(&object),
      where_(std::move(where)),
      prefix_(std::move(prefix)),
      advice_(std::move(advice)) {}

std::string JsonObject::name(std::string_view key) const {
  return quote(prefix_ + std::string(key));
}

const json* JsonObject::find(std::string_view key) const {
  const auto found = object_->find(key);
  return found == object_->end() || found->is_null() ? nullptr : &*found;
}

void JsonObject::fail_type(std::string_view key, std::string_view wanted) const {
  fail(ErrorCode::invalid_file, "{}: {} is not {}; {}", where_, name(key), wanted, advice_);
}

void JsonObject::fail_missing(std::string_view key) const {
  fail(ErrorCode::invalid_file, "{}: {} is missing; {}", where_, name(key), advice_);
}

int64_t JsonObject::to_integer(const json& value, std::string_view key, int64_t minimum,
                               int64_t maximum) const {
  const auto number = whole_number(value);
  if (!number) fail_type(key, "an integer");
  if (*number < minimum || *number > maximum) {
    fail(ErrorCode::invalid_file, "{}: {} is {}, outside the possible range {} to {}", where_,
         name(key), *number, minimum, maximum);
  }
  return *number;
}

std::optional<int64_t> JsonObject::integer(std::string_view key, int64_t minimum,
                                           int64_t maximum) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  return to_integer(*value, key, minimum, maximum);
}

std::optional<double> JsonObject::real(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number()) fail_type(key, "a number");
  return value->get<double>();
}

std::optional<bool> JsonObject::boolean(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_boolean()) fail_type(key, "true or false");
  return value->get<bool>();
}

std::optional<std::string> JsonObject::text(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) fail_type(key, "a text");
  return value->get<std::string>();
}

std::optional<JsonObject> JsonObject::object(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail_type(key, "an object ({...})");
  return JsonObject(*value, where_, prefix_ + std::string(key) + ".", advice_);
}

std::vector<int64_t> JsonObject::integers(std::string_view key, int64_t minimum,
                                          int64_t maximum) const {
  const json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) return {to_integer(*value, key, minimum, maximum)};
  std::vector<int64_t> list;
  for (const json& item : *value) list.push_back(to_integer(item, key, minimum, maximum));
  return list;
}

std::vector<std::string> JsonObject::texts(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail_type(key, "a list of texts");
  std::vector<std::string> list;
  for (const json& item : *value) {
    if (!item.is_string()) fail_type(key, "a list of texts");
    list.push_back(item.get<std::string>());
  }
  return list;
}

std::vector<double> JsonObject::reals(std::string_view key) const {
  const json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail_type(key, "a list of numbers");
  std::vector<double> list;
  for (const json& item : *value) {
    if (!item.is_number()) fail_type(key, "a list of numbers");
    list.push_back(item.get<double>());
  }
  return list;
}

}  // namespace lazyllm
