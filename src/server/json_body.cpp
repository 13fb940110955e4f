// SPDX-License-Identifier: Apache-2.0
#include "server/json_body.h"

#include <fmt/format.h>

#include <cmath>

namespace lazyllm::server {
namespace {

constexpr int kMostLevels = 64;
// A value costs some 50 bytes of memory, however short its text.
constexpr size_t kMostValues = 2'000'000;
// Objects that keep the order of their names look a name up by walking through them.
constexpr size_t kMostNames = 20'000;

RequestError invalid_json(const std::string& message) {
  return {400, "invalid_request_error", "invalid_json", message};
}

RequestError wrong_type(const std::string& path, const char* wanted, const Json& found) {
  return invalid_request(
      path, fmt::format("{} must be {}, not {}", path, wanted, found.type_name()), "invalid_type");
}

}  // namespace

Json parse_body(const std::string& body) {
  size_t values = 0, names = 0;
  const auto check = [&](int depth, Json::parse_event_t event, Json&) {
    if (depth > kMostLevels)
      throw invalid_json(fmt::format("the body nests deeper than {} levels", kMostLevels));
    if (event == Json::parse_event_t::key ? ++names > kMostNames : ++values > kMostValues) {
      throw invalid_json(
          fmt::format("the body has more than {} names or {} values", kMostNames, kMostValues));
    }
    return true;
  };
  Json json;
  try {
    json = Json::parse(body, check);
  } catch (const Json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 1, column 2: ..." without its prefix,
    // and without the quotation of what was read, which may be long.
    std::string reason = error.what();
    reason.erase(0, reason.find("] ") == std::string::npos ? 0 : reason.find("] ") + 2);
    reason = reason.substr(0, reason.find("; last read"));
    throw invalid_json("the body is not valid JSON: " + reason);
  }
  if (!json.is_object()) throw invalid_json("the body must be a JSON object");
  return json;
}

std::string dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Fields::Fields(const Json& object, std::string path) : object_(object), path_(std::move(path)) {
  if (!object.is_object()) throw wrong_type(path_, "an object", object);
}

std::string Fields::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const Json* Fields::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

const Json& Fields::require(const char* name) const {
  if (const Json* json = find(name)) return *json;
  throw invalid_request(path_of(name), fmt::format("{} is missing", path_of(name)),
                        "missing_required_parameter");
}

std::optional<bool> Fields::boolean(const char* name) const {
  const Json* json = find(name);
  if (json == nullptr) return std::nullopt;
  if (!json->is_boolean()) throw wrong_type(path_of(name), "true or false", *json);
  return json->get<bool>();
}

std::optional<int64_t> Fields::integer(const char* name, int64_t low, int64_t high) const {
  const Json* json = find(name);
  if (json == nullptr) return std::nullopt;
  return to_integer(*json, path_of(name), low, high);
}

std::optional<double> Fields::number(const char* name, double low, double high) const {
  const Json* json = find(name);
  if (json == nullptr) return std::nullopt;
  return to_number(*json, path_of(name), low, high);
}

std::optional<std::string> Fields::text(const char* name) const {
  const Json* json = find(name);
  if (json == nullptr) return std::nullopt;
  return to_text(*json, path_of(name));
}

const Json* Fields::array(const char* name) const {
  const Json* json = find(name);
  if (json != nullptr && !json->is_array()) throw wrong_type(path_of(name), "a list", *json);
  return json;
}

std::optional<Fields> Fields::object(const char* name) const {
  const Json* json = find(name);
  if (json == nullptr) return std::nullopt;
  return Fields(*json, path_of(name));
}

double to_number(const Json& json, const std::string& path, double low, double high) {
  if (!json.is_number()) throw wrong_type(path, "a number", json);
  const auto value = json.get<double>();
  if (std::isfinite(value) && value >= low && value <= high) return value;
  throw invalid_request(path,
                        fmt::format("{} is {} but must lie in {} to {}", path, value, low, high));
}

int64_t to_integer(const Json& json, const std::string& path, int64_t low, int64_t high) {
  const auto refuse = [&](const std::string& value) {
    return invalid_request(
        path, fmt::format("{} is {} but must be an integer in {} to {}", path, value, low, high));
  };
  if (!json.is_number()) throw wrong_type(path, "an integer", json);
  if (json.is_number_float()) {
    const auto value = json.get<double>();
    if (value != std::floor(value) || std::abs(value) > 1e15)
      throw refuse(fmt::format("{}", value));
  }
  if (json.is_number_unsigned() && json.get<uint64_t>() > static_cast<uint64_t>(high)) {
    throw refuse(fmt::format("{}", json.get<uint64_t>()));
  }
  const auto value = json.get<int64_t>();
  if (value < low || value > high) throw refuse(fmt::format("{}", value));
  return value;
}

const std::string& to_text(const Json& json, const std::string& path) {
  if (!json.is_string()) throw wrong_type(path, "a string", json);
  return json.get_ref<const std::string&>();
}

}  // namespace lazyllm::server
