// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace lazyllm {

/// Parses JSON from a file nobody vouches for. Python writes NaN, Infinity and -Infinity as bare
/// words; they become texts, so that a key that is read and holds one is named as no number. Also:
/// nesting is bounded, a key that is there twice in the outermost object is refused, and so is
/// anything but an object. Errors: Error(invalid_file), starting with `where` (a path).
nlohmann::json parse_json_object(std::string_view text, const std::string& where);

/// Typed, range-checked reads from a JSON object. A key that is absent or null reads
/// as nothing; one of the wrong type or out of range is Error(invalid_file) naming
/// file and key. A view: the JSON must outlive it.
class JsonObject {
 public:
  /// `where`: the file, or "FILE:LINE". `prefix` names the object inside its file: "text_config.".
  /// `advice` ends a message about a key: what to do.
  JsonObject(const nlohmann::json& object, std::string where, std::string prefix = "",
             std::string advice = "the file is damaged or of an unknown kind");

  bool has(std::string_view key) const { return find(key) != nullptr; }
  std::optional<int64_t> integer(std::string_view key, int64_t minimum, int64_t maximum) const;
  std::optional<double> real(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  std::optional<JsonObject> object(std::string_view key) const;
  /// A list, or a single integer as a list of one. Empty when absent.
  std::vector<int64_t> integers(std::string_view key, int64_t minimum, int64_t maximum) const;
  std::vector<std::string> texts(std::string_view key) const;
  std::vector<double> reals(std::string_view key) const;

  /// A value that must be there: object.require(object.text("name"), "name").
  /// Errors: Error(invalid_file) naming file and key if it is absent or null.
  template <typename T>
  T require(std::optional<T> value, std::string_view key) const {
    if (!value) fail_missing(key);
    return *std::move(value);
  }

  const std::string& where() const { return where_; }
  /// The key as a message names it: quoted, with the prefix.
  std::string name(std::string_view key) const;
  const nlohmann::json& raw() const { return *object_; }

 private:
  const nlohmann::json* find(std::string_view key) const;
  int64_t to_integer(const nlohmann::json& value, std::string_view key, int64_t minimum,
                     int64_t maximum) const;
  [[noreturn]] void fail_type(std::string_view key, std::string_view wanted) const;
  [[noreturn]] void fail_missing(std::string_view key) const;

  const nlohmann::json* object_;
  std::string where_;
  std::string prefix_;
  std::string advice_;
};

}  // namespace lazyllm
