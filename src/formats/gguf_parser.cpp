// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_parser.h"

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/quote.h"
#include "formats/byte_cursor.h"
#include "formats/gguf_layout.h"
#include "formats/gguf_value.h"

namespace lazyllm::formats {
namespace {

// The fewest bytes that one entry of each table takes: a limit for the counts.
constexpr size_t kSmallestPair = 8 + 1 + 4 + 1;            // length, key, type, value
constexpr size_t kSmallestTensor = 8 + 1 + 4 + 8 + 4 + 8;  // length, name, dims, type, offset

struct TensorInfo {
  TensorView view;
  uint64_t offset = 0;  ///< from the start of the data section
  uint64_t bytes = 0;
};

void check_magic_and_version(ByteCursor& cursor) {
  const auto magic = cursor.read<uint32_t>("the magic number");
  if (magic != kGgufMagic) {
    fail(ErrorCode::invalid_file,
         "{}: this is no GGUF file: it starts with {:08x} instead of \"GGUF\"", cursor.where(),
         __builtin_bswap32(magic));
  }
  const auto version = cursor.read<uint32_t>("the version");
  if ((version & 0xffffu) == 0 && version != 0) {
    fail(ErrorCode::unsupported,
         "{}: this is a big-endian GGUF file; lazyllm reads little-endian ones, convert the model "
         "again without --bigendian",
         cursor.where());
  }
  if (version < kGgufOldestVersion || version > kGgufVersion) {
    fail(ErrorCode::unsupported,
         "{}: GGUF version {} is not supported (versions {} and {} are); convert the model again",
         cursor.where(), version, kGgufOldestVersion, kGgufVersion);
  }
}

uint64_t read_table_count(ByteCursor& cursor, std::string_view what, size_t bytes_each) {
  const size_t place = cursor.offset();
  const auto count = cursor.read<uint64_t>(what);
  if (count > cursor.remaining() / bytes_each) {
    fail(ErrorCode::invalid_file,
         "{}: {} at byte {} is {}, more than the file's {} bytes can hold; it is truncated or "
         "damaged, fetch it again",
         cursor.where(), what, place, count, cursor.size());
  }
  return count;
}

Metadata read_metadata(ByteCursor& cursor, uint64_t count) {
  Metadata metadata;
  for (uint64_t i = 0; i < count; ++i) {
    cursor.set_subject(fmt::format("metadata key number {}", i));
    const size_t place = cursor.offset();
    const std::string_view key = cursor.read_string("the name");
    if (key.empty() || key.size() > kGgufLongestKey) {
      fail(ErrorCode::invalid_file,
           "{}: metadata key number {} at byte {} has a name of {} bytes, expected 1 to {}",
           cursor.where(), i, place, key.size(), kGgufLongestKey);
    }
    cursor.set_subject("metadata key " + quote(key));
    if (!metadata.emplace(key, read_gguf_value(cursor)).second) {
      fail(ErrorCode::invalid_file, "{}: metadata key {} at byte {} is there twice", cursor.where(),
           quote(key), place);
    }
  }
  return metadata;
}

uint64_t read_alignment(const Metadata& metadata, const std::string& where) {
  const auto found = metadata.find("general.alignment");
  if (found == metadata.end()) return kGgufDefaultAlignment;
  const auto* alignment = std::get_if<int64_t>(&found->second);
  if (alignment == nullptr || *alignment < 8 || *alignment > (int64_t{1} << 31) ||
      !std::has_single_bit(static_cast<uint64_t>(*alignment))) {
    fail(ErrorCode::invalid_file,
         "{}: general.alignment must be a power of two from 8 on; the file is damaged", where);
  }
  return static_cast<uint64_t>(*alignment);
}

/// Sets info.bytes from shape and type. Every product is checked.
void compute_bytes(TensorInfo& info, const ByteCursor& cursor) {
  const StorageTypeTraits& type = traits(info.view.type);
  int64_t elements = 1;
  for (const int64_t extent : info.view.shape) {
    if (__builtin_mul_overflow(elements, extent, &elements)) {
      fail(ErrorCode::invalid_file, "{}: {} before byte {} has more than 2^63 values",
           cursor.where(), cursor.subject(), cursor.offset());
    }
  }
  const int64_t columns = info.view.shape.back();
  if (columns % type.block_values != 0) {
    fail(ErrorCode::invalid_file,
         "{}: {} has rows of {} values, but type {} stores blocks of {}; the file is damaged",
         cursor.where(), cursor.subject(), columns, type.name, type.block_values);
  }
  int64_t bytes = 0;
  if (__builtin_mul_overflow(elements / type.block_values, type.block_bytes, &bytes)) {
    fail(ErrorCode::invalid_file, "{}: {} before byte {} has more than 2^63 bytes", cursor.where(),
         cursor.subject(), cursor.offset());
  }
  info.bytes = static_cast<uint64_t>(bytes);
}

TensorInfo read_tensor_info(ByteCursor& cursor, uint64_t index) {
  TensorInfo info;
  cursor.set_subject(fmt::format("tensor number {}", index));
  const size_t place = cursor.offset();
  const std::string_view name = cursor.read_string("the name");
  if (name.empty() || name.size() > kGgufLongestTensorName) {
    fail(ErrorCode::invalid_file,
         "{}: tensor number {} at byte {} has a name of {} bytes, expected 1 to {}", cursor.where(),
         index, place, name.size(), kGgufLongestTensorName);
  }
  info.view.name = name;
  cursor.set_subject("tensor " + quote(name));

  const auto dimensions = cursor.read<uint32_t>("the number of dimensions");
  if (dimensions < 1 || dimensions > kGgufMostDimensions) {
    fail(ErrorCode::invalid_file, "{}: {} before byte {} has {} dimensions, expected 1 to {}",
         cursor.where(), cursor.subject(), cursor.offset(), dimensions, kGgufMostDimensions);
  }
  info.view.shape.resize(dimensions);
  for (uint32_t i = 0; i < dimensions; ++i) {
    const auto extent = cursor.read<uint64_t>("a dimension");
    if (extent < 1 || !std::in_range<int64_t>(extent)) {
      fail(ErrorCode::invalid_file, "{}: dimension {} of {} before byte {} is {}, not a length",
           cursor.where(), i, cursor.subject(), cursor.offset(), extent);
    }
    info.view.shape[dimensions - 1 - i] = static_cast<int64_t>(extent);
  }

  const auto type_id = cursor.read<uint32_t>("the type");
  const auto type = storage_type_of_gguf_id(type_id);
  if (!type) {
    fail(ErrorCode::unsupported,
         "{}: {} is stored as {}, which lazyllm does not read; take a file with one of {}",
         cursor.where(), cursor.subject(), gguf_type_name(type_id), supported_storage_types());
  }
  info.view.type = *type;
  info.offset = cursor.read<uint64_t>("the offset");
  compute_bytes(info, cursor);
  return info;
}

/// Points the view at its bytes, if they are all there.
void place_tensor(TensorInfo& info, std::span<const std::byte> data, uint64_t alignment,
                  const ByteCursor& cursor) {
  if (info.offset % alignment != 0) {
    fail(ErrorCode::invalid_file, "{}: tensor {} starts at offset {}, not a multiple of {}",
         cursor.where(), quote(info.view.name), info.offset, alignment);
  }
  if (info.offset > data.size() || info.bytes > data.size() - info.offset) {
    fail(ErrorCode::invalid_file,
         "{}: tensor {} needs {} bytes from offset {} on, but the data section has {}; the file "
         "is truncated, fetch it again",
         cursor.where(), quote(info.view.name), info.bytes, info.offset, data.size());
  }
  info.view.data = data.subspan(info.offset, info.bytes);
}

}  // namespace

GgufContents parse_gguf(std::span<const std::byte> bytes, const std::string& where) {
  ByteCursor cursor(bytes, where);
  check_magic_and_version(cursor);
  const auto tensor_count = read_table_count(cursor, "the number of tensors", kSmallestTensor);
  const auto pair_count = read_table_count(cursor, "the number of metadata keys", kSmallestPair);

  GgufContents contents;
  contents.metadata = read_metadata(cursor, pair_count);
  const uint64_t alignment = read_alignment(contents.metadata, where);

  std::vector<TensorInfo> infos;
  std::set<std::string_view> names;
  infos.reserve(tensor_count);
  for (uint64_t i = 0; i < tensor_count; ++i) {
    infos.push_back(read_tensor_info(cursor, i));
    if (!names.insert(infos.back().view.name).second) {
      fail(ErrorCode::invalid_file, "{}: tensor {} is there twice; the file is damaged", where,
           quote(infos.back().view.name));
    }
  }

  const uint64_t data_start = (cursor.offset() + alignment - 1) / alignment * alignment;
  const auto data = bytes.subspan(std::min<uint64_t>(data_start, bytes.size()));
  contents.tensors.reserve(tensor_count);
  for (TensorInfo& info : infos) {
    place_tensor(info, data, alignment, cursor);
    contents.tensors.push_back(std::move(info.view));
  }
  return contents;
}

}  // namespace lazyllm::formats
