// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_document.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "grammar/string_decoder.h"

namespace lazyllm::grammar {
namespace {

constexpr size_t kLongestPlace = 200;

/// Refuses while parsing what would cost too much to hold: objects look their keys up one by one.
class ParseGuard {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& /*parsed*/) {
    if (depth > SchemaDocument::kDeepest) {
      fail(ErrorCode::invalid_input,
           "the schema is nested deeper than {} levels; write it with $ref",
           SchemaDocument::kDeepest);
    }
    const auto level = static_cast<size_t>(depth);
    if (event == Json::parse_event_t::object_start) {
      keys_.resize(std::max(keys_.size(), level + 2));
      keys_[level + 1] = 0;
    }
    if (event == Json::parse_event_t::key) {
      if (++total_ > SchemaDocument::kMostKeys ||
          ++keys_[level] > SchemaDocument::kMostKeysOfObject) {
        fail(ErrorCode::invalid_input,
             "the schema has more than {} keys, or {} in one object; make it smaller",
             SchemaDocument::kMostKeys, SchemaDocument::kMostKeysOfObject);
      }
    }
    return true;
  }

 private:
  std::vector<size_t> keys_;  ///< of the open objects
  size_t total_ = 0;
};

Json parse(std::string_view text) {
  if (text.size() > SchemaDocument::kMostBytes) {
    fail(ErrorCode::invalid_input, "the schema has {} bytes; the limit is {}", text.size(),
         SchemaDocument::kMostBytes);
  }
  try {
    return Json::parse(text, ParseGuard());
  } catch (const Json::parse_error& error) {
    fail(ErrorCode::invalid_input, "the schema is not valid JSON at byte {}", error.byte);
  } catch (const Json::exception&) {
    fail(ErrorCode::invalid_input, "the schema has a number that is out of range");
  }
}

std::string escaped(const std::string& key) {
  std::string result;
  for (const char c : key) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
  }
  return result;
}

bool find(const Json& from, const Json& part, std::string& path) {
  if (&from == &part) return true;
  if (!from.is_structured()) return false;
  const size_t length = path.size();
  size_t index = 0;
  for (const auto& [key, value] : from.items()) {
    path += '/';
    path += from.is_object() ? escaped(key) : std::to_string(index++);
    if (find(value, part, path)) return true;
    path.resize(length);
  }
  return false;
}

/// A URI's fragment with its %XX read.
std::optional<std::string> unquoted(std::string_view fragment) {
  std::string result;
  for (size_t i = 0; i < fragment.size(); ++i) {
    if (fragment[i] != '%') {
      result += fragment[i];
      continue;
    }
    if (i + 2 >= fragment.size()) return std::nullopt;
    const int high = hexadecimal_value(static_cast<uint8_t>(fragment[i + 1]));
    const int low = hexadecimal_value(static_cast<uint8_t>(fragment[i + 2]));
    if (high < 0 || low < 0) return std::nullopt;
    result += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return result;
}

const Json* follow(const Json& root, const std::string& pointer) {
  try {
    const Json::json_pointer path(pointer);
    return root.contains(path) ? &root.at(path) : nullptr;
  } catch (const Json::exception&) {
    return nullptr;
  }
}

bool is_data(const std::string& key) {
  return key == "enum" || key == "const" || key == "default" || key == "examples";
}

/// Schemas with that name: `keyword` has the text.
void find_named(const Json& part, const std::string& keyword, const std::string& text,
                std::vector<const Json*>& found) {
  if (part.is_object()) {
    const auto name = part.find(keyword);
    if (name != part.end() && *name == text) found.push_back(&part);
  }
  if (!part.is_structured()) return;
  for (const auto& [key, value] : part.items()) {
    if (!part.is_object() || !is_data(key)) find_named(value, keyword, text, found);
  }
}

std::string without_fragment(const std::string& uri) {
  return uri.substr(0, uri.find('#'));
}

/// The root's own address, where it has one.
std::string address_of(const Json& root) {
  for (const char* keyword : {"$id", "id"}) {
    if (!root.is_object() || !root.contains(keyword) || !root[keyword].is_string()) continue;
    return without_fragment(root[keyword].get<std::string>());
  }
  return {};
}

}  // namespace

bool has_references(const Json& part) {
  if (!part.is_structured()) return false;
  if (part.is_object() && part.contains("$ref")) return true;
  return std::any_of(part.begin(), part.end(), has_references);
}

SchemaDocument::SchemaDocument(std::string_view text) : root_(parse(text)) {}

std::string SchemaDocument::place(const Json& part) const {
  std::string path = "#";
  find(root_, part, path);
  if (path.size() > kLongestPlace) {
    size_t end = kLongestPlace;
    while ((static_cast<unsigned char>(path[end]) & 0xC0) == 0x80) --end;
    path = path.substr(0, end) + "...";
  }
  return "the schema at " + path;
}

const Json& SchemaDocument::resolve(const Json& schema) const {
  const Json& reference = schema.at("$ref");
  if (!reference.is_string()) refuse(schema, "\"$ref\" must be a text");
  std::string text = reference.get<std::string>();
  const std::string own = address_of(root_);
  if (!own.empty() && without_fragment(text) == own) {
    text = text.size() > own.size() ? text.substr(own.size()) : "#";
  }
  const std::optional<std::string> pointer =
      text.starts_with('#') ? unquoted(std::string_view(text).substr(1)) : std::nullopt;
  if (!pointer || !(pointer->empty() || pointer->starts_with('/'))) {
    if (const Json* target = named(pointer, text)) return *target;
    refuse(schema,
           "\"$ref\" must point into this schema, like \"#/$defs/name\", or to the one place that "
           "has that \"$anchor\" or \"$id\"; others are not supported");
  }
  const Json* target = follow(root_, *pointer);
  if (target == nullptr) refuse(schema, "\"$ref\" points to nothing; write what it names");
  return *target;
}

/// The one schema with that anchor or, without one, with that whole address.
const Json* SchemaDocument::named(const std::optional<std::string>& anchor,
                                  const std::string& address) const {
  std::vector<const Json*> found;
  if (anchor) {
    find_named(root_, "$anchor", *anchor, found);
    find_named(root_, "$id", "#" + *anchor, found);  // before draft 2019-09
    find_named(root_, "id", "#" + *anchor, found);
  } else if (address.find("://") != std::string::npos) {
    find_named(root_, "$id", address, found);
  }
  return found.size() == 1 ? found[0] : nullptr;
}

bool same_value(const Json& a, const Json& b) {
  if (a.is_object() && b.is_object()) {
    if (a.size() != b.size()) return false;
    return std::all_of(a.items().begin(), a.items().end(), [&](const auto& item) {
      const auto other = b.find(item.key());
      return other != b.end() && same_value(item.value(), *other);
    });
  }
  if (a.is_array() && b.is_array()) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_value);
  }
  return a == b;
}

}  // namespace lazyllm::grammar
