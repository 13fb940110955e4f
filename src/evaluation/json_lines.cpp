// SPDX-License-Identifier: Apache-2.0
#include "evaluation/json_lines.h"

#include <fstream>

#include "base/error.h"

namespace lazyllm::evaluation {

using Json = nlohmann::json;

Json read_json_object(const std::filesystem::path& path, const std::string& purpose) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::io, "cannot read {}; {}", path.string(), purpose);
  Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    fail(ErrorCode::invalid_file, "{} is not a JSON object; {}", path.string(), purpose);
  }
  return json;
}

void for_each_line(const std::filesystem::path& path, int64_t limit,
                   const std::function<void(const Json&, const std::string&)>& use) {
  std::ifstream file(path, std::ios::binary);
  if (!file)
    fail(ErrorCode::io, "cannot read {}; check the path and its permissions", path.string());
  std::string line;
  int64_t used = 0;
  for (int64_t number = 1; std::getline(file, line); ++number) {
    if (limit > 0 && used == limit) break;
    if (line.empty() || line == "\r") continue;
    const std::string where = fmt::format("{}:{}", path.string(), number);
    const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) fail(ErrorCode::invalid_file, "{}: not a JSON object", where);
    use(json, where);
    ++used;
  }
  if (used == 0) fail(ErrorCode::invalid_file, "{} holds no record", path.string());
}

const std::string& text_field(const Json& object, const char* name, const std::string& where) {
  const auto field = object.find(name);
  if (field == object.end() || !field->is_string()) {
    fail(ErrorCode::invalid_file, "{}: the text field '{}' is missing", where, name);
  }
  return field->get_ref<const std::string&>();
}

const std::string& filled_text_field(const Json& object, const char* name,
                                     const std::string& where) {
  const std::string& text = text_field(object, name, where);
  if (text.empty()) fail(ErrorCode::invalid_file, "{}: the field '{}' is empty", where, name);
  return text;
}

std::vector<std::string> texts_field(const Json& object, const char* name, const std::string& where,
                                     bool required) {
  const auto field = object.find(name);
  if (field == object.end() || field->is_null()) {
    if (!required) return {};
    fail(ErrorCode::invalid_file, "{}: the field '{}' is missing", where, name);
  }
  std::vector<std::string> result;
  if (field->is_array()) {
    for (const Json& text : *field) {
      if (text.is_string()) result.push_back(text.get<std::string>());
    }
  }
  if (result.size() != field->size() || (required && result.empty())) {
    fail(ErrorCode::invalid_file, "{}: the field '{}' must be a list of texts", where, name);
  }
  return result;
}

int64_t integer_field(const Json& object, const char* name) {
  const auto field = object.find(name);
  return field != object.end() && field->is_number_integer() ? field->get<int64_t>() : 0;
}

}  // namespace lazyllm::evaluation
