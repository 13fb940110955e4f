// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"

namespace lazyllm::formats {

static_assert(std::endian::native == std::endian::little,
              "model files are read as they lie in memory: little-endian hosts only");

/// Reads little-endian values from a span of bytes and never past its end.
/// Errors: Error(invalid_file) that names the file, the byte and what was being read.
class ByteCursor {
 public:
  ByteCursor(std::span<const std::byte> bytes, std::string where)
      : bytes_(bytes), where_(std::move(where)) {}

  size_t offset() const { return offset_; }
  size_t remaining() const { return bytes_.size() - offset_; }
  size_t size() const { return bytes_.size(); }
  const std::string& where() const { return where_; }

  /// What the next bytes belong to, for messages: "tensor \"blk.0.attn_q.weight\"".
  void set_subject(std::string subject) { subject_ = std::move(subject); }
  const std::string& subject() const { return subject_; }

  template <typename T>
  T read(std::string_view what) {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  /// A string as GGUF writes it: u64 length, then the bytes.
  std::string_view read_string(std::string_view what) {
    const size_t start = offset_;
    const auto length = read<uint64_t>(what);
    if (length > remaining()) {
      fail(ErrorCode::invalid_file,
           "{}: {} of {} at byte {} claims {} bytes, but only {} are left in the file; it is "
           "truncated or damaged, fetch it again",
           where_, what, subject_, start, length, remaining());
    }
    const auto text = take(static_cast<size_t>(length), what);
    return {reinterpret_cast<const char*>(text.data()), text.size()};
  }

  std::span<const std::byte> take(size_t count, std::string_view what) {
    if (count > remaining()) {
      fail(ErrorCode::invalid_file,
           "{}: the file ends at byte {}, but {} of {} needs {} bytes from byte {} on; it is "
           "truncated, fetch it again",
           where_, bytes_.size(), what, subject_, count, offset_);
    }
    const auto part = bytes_.subspan(offset_, count);
    offset_ += count;
    return part;
  }

 private:
  std::span<const std::byte> bytes_;
  std::string where_;
  std::string subject_ = "the header";
  size_t offset_ = 0;
};

}  // namespace lazyllm::formats
