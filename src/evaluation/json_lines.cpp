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
                   const std::function<void(const JsonObject&)>& use) {
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
    use(JsonObject(json, where, "", "correct the line or take it out"));
    ++used;
  }
  if (used == 0) fail(ErrorCode::invalid_file, "{} holds no record", path.string());
}

std::string filled_text(const JsonObject& object, const char* name) {
  std::string text = object.require(object.text(name), name);
  if (text.empty()) {
    fail(ErrorCode::invalid_file, "{}: {} is empty", object.where(), object.name(name));
  }
  return text;
}

std::vector<std::string> filled_texts(const JsonObject& object, const char* name) {
  std::vector<std::string> texts = object.texts(name);
  if (texts.empty()) {
    fail(ErrorCode::invalid_file, "{}: {} must be a list of texts with one at least",
         object.where(), object.name(name));
  }
  return texts;
}

int64_t count_or_0(const JsonObject& object, const char* name) {
  return object.integer(name, 0, int64_t{1} << 53).value_or(0);
}

}  // namespace lazyllm::evaluation
