// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/json_object.h"
#include "base/quote.h"
#include "formats/byte_cursor.h"

namespace lazyllm::formats {
namespace {

constexpr uint64_t kLongestHeader = 100'000'000;  // the limit of the format's own reader
constexpr int64_t kMostExtent = int64_t{1} << 62;

struct DtypeSize {
  std::string_view name;
  int64_t bytes;
};

// Types whose ranges can be checked; others exist (sub-byte floats) and are only refused
// when a tensor that is needed has one.
constexpr std::array<DtypeSize, 14> kDtypeSizes = {{
    {"BOOL", 1},
    {"U8", 1},
    {"I8", 1},
    {"F8_E4M3", 1},
    {"F8_E5M2", 1},
    {"U16", 2},
    {"I16", 2},
    {"F16", 2},
    {"BF16", 2},
    {"U32", 4},
    {"I32", 4},
    {"F32", 4},
    {"I64", 8},
    {"F64", 8},
}};

int64_t dtype_bytes(std::string_view dtype) {
  for (const DtypeSize& size : kDtypeSizes) {
    if (size.name == dtype) return size.bytes;
  }
  return 0;
}

void check_size(const SafetensorsEntry& entry, const std::string& where) {
  const int64_t unit = dtype_bytes(entry.dtype);
  if (unit == 0) return;
  int64_t bytes = unit;
  for (const int64_t extent : entry.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) {
      fail(ErrorCode::invalid_file, "{}: tensor {} has a shape of more than 2^63 bytes", where,
           quote(entry.name));
    }
  }
  if (static_cast<uint64_t>(bytes) != entry.data.size()) {
    fail(ErrorCode::invalid_file,
         "{}: tensor {} takes {} bytes by its shape and type {}, but its data_offsets span {}; "
         "the file is damaged",
         where, quote(entry.name), bytes, entry.dtype, entry.data.size());
  }
}

SafetensorsEntry read_entry(const std::string& name, const JsonObject& object,
                            std::span<const std::byte> data) {
  SafetensorsEntry entry;
  entry.name = name;
  const auto dtype = object.text("dtype");
  const auto offsets = object.integers("data_offsets", 0, kMostExtent);
  if (!dtype || !object.has("shape") || offsets.size() != 2) {
    fail(ErrorCode::invalid_file,
         "{}: the header's entry for tensor {} lacks its dtype, shape or two data_offsets; the "
         "file is damaged",
         object.where(), quote(name));
  }
  entry.dtype = *dtype;
  entry.shape = object.integers("shape", 0, kMostExtent);
  const auto begin = static_cast<uint64_t>(offsets[0]);
  const auto end = static_cast<uint64_t>(offsets[1]);
  if (begin > end || end > data.size()) {
    fail(ErrorCode::invalid_file,
         "{}: tensor {} lies in bytes {} to {} of the data, but the file has {}; it is truncated "
         "or damaged, fetch it again",
         object.where(), quote(name), begin, end, data.size());
  }
  entry.data = data.subspan(begin, end - begin);
  check_size(entry, object.where());
  return entry;
}

}  // namespace

std::vector<SafetensorsEntry> parse_safetensors(std::span<const std::byte> bytes,
                                                const std::string& where) {
  ByteCursor cursor(bytes, where);
  const auto header_length = cursor.read<uint64_t>("the header's length");
  if (header_length > cursor.remaining() || header_length > kLongestHeader) {
    fail(ErrorCode::invalid_file,
         "{}: the header claims {} bytes, but {} are left in the file and {} are allowed; this is "
         "no safetensors file or a truncated one, fetch it again",
         where, header_length, cursor.remaining(), kLongestHeader);
  }
  const auto header = cursor.take(static_cast<size_t>(header_length), "the header");
  const auto data = cursor.take(cursor.remaining(), "the data");
  const nlohmann::json json = parse_json_object(
      {reinterpret_cast<const char*>(header.data()), header.size()}, where + ", header");

  const JsonObject entries(json, where);
  std::vector<SafetensorsEntry> list;
  list.reserve(json.size());
  for (const auto& [name, value] : json.items()) {
    if (name == "__metadata__") continue;
    const auto object = entries.object(name);
    if (!object) fail(ErrorCode::invalid_file, "{}: tensor {} is null", where, quote(name));
    list.push_back(read_entry(name, *object, data));
  }
  std::stable_sort(list.begin(), list.end(), [](const auto& left, const auto& right) {
    return left.data.data() < right.data.data();
  });
  return list;
}

StorageType safetensors_storage_type(const SafetensorsEntry& entry, const std::string& where) {
  if (entry.dtype == "F32") return StorageType::f32;
  if (entry.dtype == "F16") return StorageType::f16;
  if (entry.dtype == "BF16") return StorageType::bf16;
  fail(ErrorCode::unsupported,
       "{}: tensor {} is stored as {}, but lazyllm reads F32, F16 and BF16 from safetensors; for "
       "quantised weights take a GGUF file",
       where, quote(entry.name), quote(entry.dtype));
}

}  // namespace lazyllm::formats
