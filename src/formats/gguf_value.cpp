// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_value.h"

#include <limits>
#include <utility>

#include "formats/gguf_layout.h"

namespace lazyllm::formats {
namespace {

MetadataValue from_unsigned(uint64_t value) {
  if (value <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return static_cast<int64_t>(value);
  }
  return value;
}

bool read_boolean(ByteCursor& cursor) {
  const size_t place = cursor.offset();
  const auto value = cursor.read<uint8_t>("the value");
  if (value > 1) {
    fail(ErrorCode::invalid_file, "{}: {} at byte {} is a boolean of value {}; the file is damaged",
         cursor.where(), cursor.subject(), place, value);
  }
  return value == 1;
}

[[noreturn]] void fail_value_type(const ByteCursor& cursor, uint32_t type) {
  fail(ErrorCode::invalid_file,
       "{}: {} before byte {} has the value type {}, but types are 0 to 12; the file is damaged",
       cursor.where(), cursor.subject(), cursor.offset(), type);
}

/// The count of an array, if `bytes_each` times it can still be in the file.
size_t read_count(ByteCursor& cursor, size_t bytes_each) {
  const size_t place = cursor.offset();
  const auto count = cursor.read<uint64_t>("the array's length");
  if (count > cursor.remaining() / bytes_each) {
    fail(ErrorCode::invalid_file,
         "{}: {} at byte {} claims {} elements, but only {} bytes are left in the file; it is "
         "truncated or damaged, fetch it again",
         cursor.where(), cursor.subject(), place, count, cursor.remaining());
  }
  return static_cast<size_t>(count);
}

template <typename Stored, typename Kept>
std::vector<Kept> read_numbers(ByteCursor& cursor) {
  const size_t count = read_count(cursor, sizeof(Stored));
  const size_t place = cursor.offset();
  std::vector<Kept> list(count);
  const auto bytes = cursor.take(count * sizeof(Stored), "the array");
  for (size_t i = 0; i < count; ++i) {
    Stored value;
    std::memcpy(&value, bytes.data() + i * sizeof(Stored), sizeof(Stored));
    if constexpr (std::is_same_v<Stored, uint64_t>) {
      if (!std::in_range<int64_t>(value)) {
        fail(ErrorCode::invalid_file, "{}: element {} of {} at byte {} is {}, above 2^63",
             cursor.where(), i, cursor.subject(), place, value);
      }
    }
    list[i] = static_cast<Kept>(value);
  }
  return list;
}

std::vector<bool> read_booleans(ByteCursor& cursor) {
  const size_t count = read_count(cursor, 1);
  std::vector<bool> list(count);
  for (size_t i = 0; i < count; ++i) list[i] = read_boolean(cursor);
  return list;
}

std::vector<std::string> read_strings(ByteCursor& cursor) {
  const size_t count = read_count(cursor, sizeof(uint64_t));
  std::vector<std::string> list;
  list.reserve(count);
  for (size_t i = 0; i < count; ++i) list.emplace_back(cursor.read_string("a text"));
  return list;
}

MetadataValue read_array(ByteCursor& cursor) {
  const auto type = cursor.read<uint32_t>("the array's element type");
  switch (static_cast<GgufValueType>(type)) {
    case GgufValueType::u8:
      return read_numbers<uint8_t, uint8_t>(cursor);
    case GgufValueType::i8:
      return read_numbers<int8_t, int8_t>(cursor);
    case GgufValueType::u16:
      return read_numbers<uint16_t, int64_t>(cursor);
    case GgufValueType::i16:
      return read_numbers<int16_t, int64_t>(cursor);
    case GgufValueType::u32:
      return read_numbers<uint32_t, int64_t>(cursor);
    case GgufValueType::i32:
      return read_numbers<int32_t, int64_t>(cursor);
    case GgufValueType::u64:
      return read_numbers<uint64_t, int64_t>(cursor);
    case GgufValueType::i64:
      return read_numbers<int64_t, int64_t>(cursor);
    case GgufValueType::f32:
      return read_numbers<float, double>(cursor);
    case GgufValueType::f64:
      return read_numbers<double, double>(cursor);
    case GgufValueType::boolean:
      return read_booleans(cursor);
    case GgufValueType::string:
      return read_strings(cursor);
    case GgufValueType::array:
      fail(ErrorCode::unsupported,
           "{}: {} before byte {} is an array of arrays, which no known key uses; convert the "
           "model again without this key",
           cursor.where(), cursor.subject(), cursor.offset());
  }
  fail_value_type(cursor, type);
}

}  // namespace

MetadataValue read_gguf_value(ByteCursor& cursor) {
  constexpr std::string_view kWhat = "the value";
  const auto type = cursor.read<uint32_t>("the value's type");
  switch (static_cast<GgufValueType>(type)) {
    case GgufValueType::u8:
      return int64_t{cursor.read<uint8_t>(kWhat)};
    case GgufValueType::i8:
      return int64_t{cursor.read<int8_t>(kWhat)};
    case GgufValueType::u16:
      return int64_t{cursor.read<uint16_t>(kWhat)};
    case GgufValueType::i16:
      return int64_t{cursor.read<int16_t>(kWhat)};
    case GgufValueType::u32:
      return int64_t{cursor.read<uint32_t>(kWhat)};
    case GgufValueType::i32:
      return int64_t{cursor.read<int32_t>(kWhat)};
    case GgufValueType::u64:
      return from_unsigned(cursor.read<uint64_t>(kWhat));
    case GgufValueType::i64:
      return cursor.read<int64_t>(kWhat);
    case GgufValueType::f32:
      return double{cursor.read<float>(kWhat)};
    case GgufValueType::f64:
      return cursor.read<double>(kWhat);
    case GgufValueType::boolean:
      return read_boolean(cursor);
    case GgufValueType::string:
      return std::string(cursor.read_string(kWhat));
    case GgufValueType::array:
      return read_array(cursor);
  }
  fail_value_type(cursor, type);
}

}  // namespace lazyllm::formats
