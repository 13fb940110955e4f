// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lazyllm::grammar {

using Json = nlohmann::ordered_json;

/// A schema's text, parsed within bounds, and the places in it. Immutable.
class SchemaDocument {
 public:
  static constexpr size_t kMostBytes = size_t{1} << 20;
  static constexpr int kDeepest = 100;
  static constexpr size_t kMostKeys = 20000, kMostKeysOfObject = 1000;

  /// Errors: Error(invalid_input) for what is not JSON or beyond the bounds.
  explicit SchemaDocument(std::string_view text);
  SchemaDocument(const SchemaDocument&) = delete;
  SchemaDocument& operator=(const SchemaDocument&) = delete;

  const Json& root() const { return root_; }
  /// What "$ref" of that schema points to. Errors: Error(invalid_input).
  const Json& resolve(const Json& schema) const;
  /// How a message names a part of the document: "the schema at #/properties/a".
  std::string place(const Json& part) const;

  /// Throws Error(invalid_input): "the schema at PLACE: SENTENCE".
  template <typename... Arguments>
  [[noreturn]] void refuse(const Json& part, fmt::format_string<Arguments...> format,
                           Arguments&&... arguments) const {
    fail(ErrorCode::invalid_input, "{}: {}", place(part),
         fmt::format(format, std::forward<Arguments>(arguments)...));
  }

 private:
  const Json* named(const std::optional<std::string>& anchor, const std::string& address) const;

  Json root_;
};

/// True if a "$ref" stands somewhere in it.
bool has_references(const Json& part);

/// Equal as JSON Schema means it: 1 equals 1.0, and the order of properties does not matter.
bool same_value(const Json& a, const Json& b);

}  // namespace lazyllm::grammar
