// SPDX-License-Identifier: Apache-2.0
#include "formats/model_file.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/quote.h"

namespace lazyllm::formats {
namespace {

/// A GGUF key's value as an integer, if it is one of any width.
std::optional<int64_t> as_integer(const MetadataValue& value) {
  if (const auto* number = std::get_if<int64_t>(&value)) return *number;
  if (const auto* large = std::get_if<uint64_t>(&value)) {
    if (*large <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return static_cast<int64_t>(*large);
    }
  }
  return std::nullopt;
}

std::optional<double> as_real(const MetadataValue& value) {
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* number = std::get_if<int64_t>(&value)) return static_cast<double>(*number);
  if (const auto* large = std::get_if<uint64_t>(&value)) return static_cast<double>(*large);
  return std::nullopt;
}

std::string describe(const MetadataValue& value) {
  constexpr const char* kNames[] = {"a boolean",
                                    "an integer",
                                    "an integer above 2^63",
                                    "a real number",
                                    "a text",
                                    "a list of integers",
                                    "a list of real numbers",
                                    "a list of texts",
                                    "a list of booleans",
                                    "a list of bytes",
                                    "a list of signed bytes"};
  static_assert(std::size(kNames) == std::variant_size_v<MetadataValue>);
  return kNames[value.index()];
}

}  // namespace

int64_t TensorView::elements() const {
  int64_t product = 1;
  for (const int64_t extent : shape) product *= extent;
  return product;
}

const TensorView* ModelFile::find_tensor(std::string_view name) const {
  const auto found = tensor_index_.find(name);
  return found == tensor_index_.end() ? nullptr : &tensors_[found->second];
}

const TensorView& ModelFile::tensor(std::string_view name) const {
  if (const TensorView* view = find_tensor(name)) return *view;
  fail(ErrorCode::invalid_file,
       "{}: tensor {} is missing (the file has {} tensors); it is incomplete or of another kind of "
       "model than its metadata say",
       path_.string(), quote(name), tensors_.size());
}

const MetadataValue* ModelFile::find_value(std::string_view key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? nullptr : &found->second;
}

const MetadataValue& ModelFile::value(std::string_view key) const {
  if (const MetadataValue* found = find_value(key)) return *found;
  fail(ErrorCode::invalid_file,
       "{}: metadata key {} is missing; convert the model again with a current converter",
       path_.string(), quote(key));
}

void ModelFile::fail_type(std::string_view key, std::string_view wanted) const {
  fail(ErrorCode::invalid_file, "{}: metadata key {} is {}, expected {}; the file is damaged",
       path_.string(), quote(key), describe(value(key)), wanted);
}

bool ModelFile::has(std::string_view key) const {
  return find_value(key) != nullptr;
}

std::string ModelFile::text(std::string_view key) const {
  if (const auto* text = std::get_if<std::string>(&value(key))) return *text;
  fail_type(key, "a text");
}

std::string ModelFile::text(std::string_view key, std::string_view fallback) const {
  return has(key) ? text(key) : std::string(fallback);
}

int64_t ModelFile::integer(std::string_view key, int64_t minimum, int64_t maximum) const {
  const auto number = as_integer(value(key));
  if (!number) fail_type(key, "an integer");
  if (*number < minimum || *number > maximum) {
    fail(ErrorCode::invalid_file,
         "{}: metadata key {} is {}, outside the possible range {} to {}; the file is damaged",
         path_.string(), quote(key), *number, minimum, maximum);
  }
  return *number;
}

int64_t ModelFile::integer(std::string_view key, int64_t minimum, int64_t maximum,
                           int64_t fallback) const {
  return has(key) ? integer(key, minimum, maximum) : fallback;
}

double ModelFile::real(std::string_view key) const {
  const auto number = as_real(value(key));
  if (!number) fail_type(key, "a real number");
  if (!std::isfinite(*number)) {
    fail(ErrorCode::invalid_file, "{}: metadata key {} is {}, expected a finite number",
         path_.string(), quote(key), *number);
  }
  return *number;
}

double ModelFile::real(std::string_view key, double fallback) const {
  return has(key) ? real(key) : fallback;
}

bool ModelFile::boolean(std::string_view key, bool fallback) const {
  const MetadataValue* found = find_value(key);
  if (found == nullptr) return fallback;
  if (const auto* truth = std::get_if<bool>(found)) return *truth;
  fail_type(key, "a boolean");
}

std::vector<int64_t> ModelFile::integers(std::string_view key) const {
  const MetadataValue* found = find_value(key);
  if (found == nullptr) return {};
  if (const auto* list = std::get_if<std::vector<int64_t>>(found)) return *list;
  if (const auto* flags = std::get_if<std::vector<bool>>(found)) {
    return {flags->begin(), flags->end()};
  }
  if (const auto* bytes = std::get_if<std::vector<uint8_t>>(found)) {
    return {bytes->begin(), bytes->end()};
  }
  if (const auto* bytes = std::get_if<std::vector<int8_t>>(found)) {
    return {bytes->begin(), bytes->end()};
  }
  if (const auto number = as_integer(*found)) return {*number};
  fail_type(key, "a list of integers");
}

std::vector<double> ModelFile::reals(std::string_view key) const {
  const MetadataValue* found = find_value(key);
  if (found == nullptr) return {};
  if (const auto* list = std::get_if<std::vector<double>>(found)) return *list;
  if (const auto number = as_real(*found)) return {*number};
  if (std::holds_alternative<std::vector<int64_t>>(*found) ||
      std::holds_alternative<std::vector<uint8_t>>(*found) ||
      std::holds_alternative<std::vector<int8_t>>(*found)) {
    const std::vector<int64_t> list = integers(key);
    return {list.begin(), list.end()};
  }
  fail_type(key, "a list of real numbers");
}

const std::vector<std::string>& ModelFile::texts(std::string_view key) const {
  static const std::vector<std::string> kNone;
  const MetadataValue* found = find_value(key);
  if (found == nullptr) return kNone;
  if (const auto* list = std::get_if<std::vector<std::string>>(found)) return *list;
  fail_type(key, "a list of texts");
}

}  // namespace lazyllm::formats
