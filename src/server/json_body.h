// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "server/request_error.h"

namespace lazyllm::server {

using Json = nlohmann::ordered_json;

/// Parses a request's body: strict JSON in valid UTF-8 with an object at the top, bounded in depth
/// and in the number of values and names. Errors: RequestError 400.
Json parse_body(const std::string& body);

/// As text; bytes that are not UTF-8 become U+FFFD.
std::string dump(const Json& json);

/// The fields of an object with their types checked. A field that is null counts as absent, one
/// that nobody asks for is ignored. Errors of all functions: RequestError 400 that names the field.
class Fields {
 public:
  /// `path`: of the object within the body, "" or "lazy".
  explicit Fields(const Json& object, std::string path = "");

  const Json* find(const char* name) const;
  const Json& require(const char* name) const;
  std::optional<bool> boolean(const char* name) const;
  std::optional<int64_t> integer(const char* name, int64_t low, int64_t high) const;
  std::optional<double> number(const char* name, double low, double high) const;
  std::optional<std::string> text(const char* name) const;
  const Json* array(const char* name) const;
  std::optional<Fields> object(const char* name) const;

  /// "lazy.prune"
  std::string path_of(std::string_view name) const;
  const Json& json() const { return object_; }

 private:
  const Json& object_;
  std::string path_;
};

/// A finite number as the field `path` may have it. Errors: RequestError 400.
double to_number(const Json& json, const std::string& path, double low, double high);
int64_t to_integer(const Json& json, const std::string& path, int64_t low, int64_t high);
const std::string& to_text(const Json& json, const std::string& path);

}  // namespace lazyllm::server
