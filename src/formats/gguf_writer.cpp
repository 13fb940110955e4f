// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_writer.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/quote.h"
#include "formats/gguf_layout.h"

namespace lazyllm::formats {
namespace {

template <typename T>
void put(std::string& out, T value) {
  static_assert(std::is_arithmetic_v<T>);
  out.append(reinterpret_cast<const char*>(&value), sizeof(T));
}

void put_type(std::string& out, GgufValueType type) {
  put(out, static_cast<uint32_t>(type));
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<uint64_t>(text.size()));
  out += text;
}

/// A value with its type in front.
struct ValueWriter {
  std::string& out;

  void array(GgufValueType type, size_t count) const {
    put_type(out, GgufValueType::array);
    put_type(out, type);
    put(out, static_cast<uint64_t>(count));
  }
  void operator()(bool value) const {
    put_type(out, GgufValueType::boolean);
    put(out, static_cast<uint8_t>(value));
  }
  void operator()(int64_t value) const {
    if (std::in_range<uint32_t>(value)) {
      put_type(out, GgufValueType::u32);
      put(out, static_cast<uint32_t>(value));
    } else if (std::in_range<int32_t>(value)) {
      put_type(out, GgufValueType::i32);
      put(out, static_cast<int32_t>(value));
    } else {
      put_type(out, GgufValueType::i64);
      put(out, value);
    }
  }
  void operator()(uint64_t value) const {
    put_type(out, GgufValueType::u64);
    put(out, value);
  }
  void operator()(double value) const {
    put_type(out, GgufValueType::f32);
    put(out, static_cast<float>(value));
  }
  void operator()(const std::string& value) const {
    put_type(out, GgufValueType::string);
    put_text(out, value);
  }
  void operator()(const std::vector<int64_t>& list) const {
    const bool small = std::all_of(list.begin(), list.end(),
                                   [](int64_t value) { return std::in_range<int32_t>(value); });
    array(small ? GgufValueType::i32 : GgufValueType::i64, list.size());
    for (const int64_t value : list) {
      small ? put(out, static_cast<int32_t>(value)) : put(out, value);
    }
  }
  void operator()(const std::vector<double>& list) const {
    array(GgufValueType::f32, list.size());
    for (const double value : list) put(out, static_cast<float>(value));
  }
  void operator()(const std::vector<std::string>& list) const {
    array(GgufValueType::string, list.size());
    for (const std::string& value : list) put_text(out, value);
  }
  void operator()(const std::vector<bool>& list) const {
    array(GgufValueType::boolean, list.size());
    for (const bool value : list) put(out, static_cast<uint8_t>(value));
  }
  void operator()(const std::vector<uint8_t>& list) const {
    array(GgufValueType::u8, list.size());
    for (const uint8_t value : list) put(out, value);
  }
  void operator()(const std::vector<int8_t>& list) const {
    array(GgufValueType::i8, list.size());
    for (const int8_t value : list) put(out, value);
  }
};

uint64_t padded(uint64_t size, uint64_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

uint64_t bytes_of(const TensorView& tensor) {
  const int64_t columns = tensor.shape.back();
  return static_cast<uint64_t>(tensor.elements() / columns * row_bytes(tensor.type, columns));
}

void check_tensor(const TensorView& tensor) {
  const auto bad = [&](std::string_view reason) {
    fail(ErrorCode::invalid_input, "cannot write tensor {}: {}", quote(tensor.name), reason);
  };
  if (tensor.name.empty() || tensor.name.size() > kGgufLongestTensorName) {
    bad(fmt::format("its name must have 1 to {} bytes", kGgufLongestTensorName));
  }
  if (tensor.shape.empty() || tensor.shape.size() > kGgufMostDimensions) {
    bad("it must have 1 to 4 dimensions");
  }
  int64_t rows = 1;
  for (const int64_t extent : tensor.shape) {
    if (extent < 1) bad("every dimension must be at least 1");
    if (__builtin_mul_overflow(rows, extent, &rows)) bad("it has more than 2^63 values");
  }
  rows /= tensor.shape.back();
  if (tensor.shape.back() % traits(tensor.type).block_values != 0) {
    bad("its rows are no multiple of the type's block");
  }
  const int64_t bytes = rows * row_bytes(tensor.type, tensor.shape.back());
  if (!tensor.rows && static_cast<uint64_t>(bytes) != tensor.data.size()) {
    bad(fmt::format("shape and type make {} bytes, but {} were given", bytes, tensor.data.size()));
  }
}

}  // namespace

GgufWriter::GgufWriter(uint32_t alignment) : alignment_(alignment) {
  if (alignment < 8 || !std::has_single_bit(alignment)) {
    fail(ErrorCode::invalid_input, "GGUF alignment {} is not a power of two from 8 on", alignment);
  }
  if (alignment != kGgufDefaultAlignment) set("general.alignment", int64_t{alignment});
}

void GgufWriter::set(const std::string& key, MetadataValue value) {
  if (key.empty() || key.size() > kGgufLongestKey) {
    fail(ErrorCode::invalid_input, "a metadata key must have 1 to {} bytes", kGgufLongestKey);
  }
  metadata_[key] = std::move(value);
}

void GgufWriter::add_tensor(const std::string& name, StorageType type, std::vector<int64_t> shape,
                            std::span<const std::byte> data) {
  add({name, type, std::move(shape), data, {}});
}

void GgufWriter::add_tensor(const std::string& name, StorageType type, std::vector<int64_t> shape,
                            RowMaker rows) {
  add({name, type, std::move(shape), {}, std::move(rows)});
}

void GgufWriter::add(TensorView tensor) {
  for (const TensorView& other : tensors_) {
    if (tensor.name == other.name) {
      fail(ErrorCode::invalid_input, "cannot write tensor {} twice", quote(tensor.name));
    }
  }
  check_tensor(tensor);
  tensors_.push_back(std::move(tensor));
}

void GgufWriter::add_tensor(const std::string& name, StorageType type, std::vector<int64_t> shape,
                            std::vector<std::byte>&& data) {
  owned_.push_back(std::move(data));  // the bytes stay where they are when owned_ grows
  add_tensor(name, type, std::move(shape), std::span<const std::byte>(owned_.back()));
}

void GgufWriter::add_tensor(const std::string& name, std::vector<int64_t> shape,
                            std::span<const float> values) {
  const auto view = std::as_bytes(values);
  add_tensor(name, StorageType::f32, std::move(shape),
             std::vector<std::byte>(view.begin(), view.end()));
}

std::string GgufWriter::header() const {
  std::string out;
  put(out, kGgufMagic);
  put(out, kGgufVersion);
  put(out, static_cast<uint64_t>(tensors_.size()));
  put(out, static_cast<uint64_t>(metadata_.size()));
  for (const auto& [key, value] : metadata_) {
    put_text(out, key);
    std::visit(ValueWriter{out}, value);
  }
  uint64_t offset = 0;
  for (const TensorView& tensor : tensors_) {
    put_text(out, tensor.name);
    put(out, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i-- > 0;) {
      put(out, static_cast<uint64_t>(tensor.shape[i]));
    }
    put(out, traits(tensor.type).gguf_id);
    put(out, offset);
    offset += padded(bytes_of(tensor), alignment_);
  }
  out.resize(padded(out.size(), alignment_), '\0');
  return out;
}

void GgufWriter::write_to(std::ostream& stream, const std::function<void(double)>& progress) const {
  constexpr uint64_t kSlice = uint64_t{8} << 20;  // bytes made at a time
  uint64_t all = 0, done = 0;
  for (const TensorView& tensor : tensors_) all += bytes_of(tensor);
  const auto put_bytes = [&](std::span<const std::byte> bytes) {
    stream.write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
    done += bytes.size();
    if (progress) progress(static_cast<double>(done) / static_cast<double>(all));
  };
  stream << header();
  for (const TensorView& tensor : tensors_) {
    const uint64_t size = bytes_of(tensor);
    if (!tensor.rows) {
      put_bytes(tensor.data);
    } else {
      const auto row = static_cast<uint64_t>(row_bytes(tensor.type, tensor.shape.back()));
      const auto most = static_cast<int64_t>(std::max<uint64_t>(1, kSlice / row));
      const auto rows = static_cast<int64_t>(size / row);
      std::vector<std::byte> made;
      for (int64_t first = 0; first < rows && stream; first += most) {
        const int64_t count = std::min(most, rows - first);
        made.resize(static_cast<size_t>(count) * row);
        tensor.rows.make(first, count, made.data());
        put_bytes(made);
      }
    }
    stream << std::string(padded(size, alignment_) - size, '\0');
  }
}

std::vector<std::byte> GgufWriter::bytes() const {
  std::ostringstream stream;
  write_to(stream, {});
  const std::string text = std::move(stream).str();
  const auto view = std::as_bytes(std::span<const char>(text));
  return {view.begin(), view.end()};
}

void GgufWriter::write(const std::filesystem::path& path,
                       const std::function<void(double)>& progress) const {
  std::filesystem::path part = path;
  part += ".part";
  std::error_code error;
  const auto refuse = [&](const char* reason) {
    std::filesystem::remove(part, error);
    fail(ErrorCode::io, "cannot write {}: {}; check the path and the free space", path.string(),
         reason);
  };
  errno = 0;
  std::ofstream stream(part, std::ios::binary);
  try {
    write_to(stream, progress);
  } catch (...) {
    stream.close();
    std::filesystem::remove(part, error);
    throw;
  }
  stream.close();
  if (!stream) refuse(std::strerror(errno != 0 ? errno : EIO));
  std::filesystem::rename(part, path, error);
  if (error) refuse(error.message().c_str());
}

}  // namespace lazyllm::formats
