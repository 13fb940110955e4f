// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "base/error.h"
#include "kernels/backend.h"

// How the operations of a back end become bytes. Numbers are written in 7-bit groups, lists of
// numbers and of addresses as arithmetic progressions, because that is what positions, slots and
// rows mostly are: the list of a tile of 512 rows takes a few bytes. Values are float32 as they
// are; all ranks have one byte order.
namespace lazyllm::distributed {

static_assert(std::endian::native == std::endian::little);

/// Where the memory of a rank lies in its process: rank 0 knows it by addresses that it gives out
/// itself.
class AddressMap {
 public:
  /// Errors: Error(internal) if the address is taken; what the back end throws without memory.
  void allocate(const kernels::Backend& backend, uint64_t address, size_t bytes) {
    if (!buffers_.try_emplace(address, backend.allocate(bytes)).second) refuse(address);
  }
  void free(uint64_t address) {
    if (buffers_.erase(address) == 0) refuse(address);
  }
  /// Null for address 0. Errors: Error(internal) if these bytes were not allocated.
  std::byte* find(uint64_t address, size_t bytes) const {
    if (address == 0) return nullptr;
    auto next = buffers_.upper_bound(address);
    if (next == buffers_.begin()) refuse(address);
    const auto& [begin, buffer] = *--next;
    if (address - begin > buffer.bytes() || bytes > buffer.bytes() - (address - begin)) {
      refuse(address);
    }
    return static_cast<std::byte*>(buffer.data()) + (address - begin);
  }

 private:
  [[noreturn]] static void refuse(uint64_t address) {
    fail(ErrorCode::internal, "address {:#x} stands for no memory of this rank", address);
  }
  std::map<uint64_t, kernels::Buffer> buffers_;
};

inline uint64_t address_of(const void* pointer) {
  return static_cast<uint64_t>(reinterpret_cast<uintptr_t>(pointer));
}

/// Appends to a message.
class Writer {
 public:
  explicit Writer(std::vector<std::byte>& out) : out_(out) {}

  template <typename... Fields>
  void operator()(const Fields&... fields) {
    (put(fields), ...);
  }
  /// Rows of `columns` values each, by address.
  template <typename T>
  void rows(const std::vector<T*>& pointers, int64_t) {
    put_progressions(pointers.size(),
                     [&](size_t i) { return static_cast<int64_t>(address_of(pointers[i])); });
  }
  template <typename T>
  void values(const T* pointer, int64_t) {
    put(address_of(pointer));
  }

 private:
  void put(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::byte>(value | 0x80));
    out_.push_back(static_cast<std::byte>(value));
  }
  void put(int64_t value) {
    put(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63));
  }
  void put(int value) { put(static_cast<int64_t>(value)); }
  void put(bool value) { put(static_cast<uint64_t>(value)); }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void put(Enum value) { put(static_cast<uint64_t>(value)); }
  void put(float value) { put_raw(&value, sizeof value); }
  void put(const std::string& text) {
    put(static_cast<uint64_t>(text.size()));
    put_raw(text.data(), text.size());
  }
  void put(const std::vector<float>& values) {
    put(static_cast<uint64_t>(values.size()));
    put_raw(values.data(), values.size() * sizeof(float));
  }
  void put(const std::vector<std::byte>& bytes) {
    put(static_cast<uint64_t>(bytes.size()));
    put_raw(bytes.data(), bytes.size());
  }
  void put(const std::vector<int32_t>& numbers) {
    put_progressions(numbers.size(), [&](size_t i) { return int64_t{numbers[i]}; });
  }
  template <typename T>
  void put(const kernels::RowsView<T>& view) {
    (*this)(address_of(view.data), view.rows, view.columns, view.stride);
  }
  void put(const kernels::KvLayout& layout) {
    (*this)(layout.kv_heads, layout.head_dim, layout.k_type, layout.v_type, layout.has_values);
  }

  /// (distance from the last number, step, count) ...
  template <typename At>
  void put_progressions(size_t size, const At& at) {
    put(static_cast<uint64_t>(size));
    int64_t last = 0;
    for (size_t i = 0; i < size;) {
      const int64_t step = i + 1 < size ? at(i + 1) - at(i) : 0;
      size_t end = i + 1;
      while (end < size && at(end) - at(end - 1) == step) ++end;
      (*this)(at(i) - last, step, static_cast<uint64_t>(end - i));
      last = at(end - 1);
      i = end;
    }
  }
  void put_raw(const void* data, size_t bytes) {
    const auto* const begin = static_cast<const std::byte*>(data);
    out_.insert(out_.end(), begin, begin + bytes);
  }

  std::vector<std::byte>& out_;
};

/// Takes from a message what a Writer put there, addresses as pointers into this rank's memory.
/// Errors: Error(internal) for bytes that no Writer wrote.
class Reader {
 public:
  Reader(std::span<const std::byte> message, const AddressMap& memory)
      : rest_(message), memory_(memory) {}

  bool done() const { return rest_.empty(); }
  template <typename... Fields>
  void operator()(Fields&... fields) {
    (get(fields), ...);
  }
  template <typename T>
  void rows(std::vector<T*>& pointers, int64_t columns) {
    const size_t bytes = static_cast<size_t>(columns) * sizeof(T);
    pointers.clear();
    get_progressions([&](int64_t address) {
      pointers.push_back(reinterpret_cast<T*>(memory_.find(static_cast<uint64_t>(address), bytes)));
    });
  }
  template <typename T>
  void values(T*& pointer, int64_t count) {
    uint64_t address = 0;
    get(address);
    pointer = reinterpret_cast<T*>(memory_.find(address, static_cast<size_t>(count) * sizeof(T)));
  }

 private:
  [[noreturn]] static void refuse() {
    fail(ErrorCode::internal, "a message between ranks is damaged");
  }
  void get(uint64_t& value) {
    value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) refuse();
      const auto byte = static_cast<uint64_t>(rest_.front());
      rest_ = rest_.subspan(1);
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return;
    }
    refuse();
  }
  void get(int64_t& value) {
    uint64_t bits = 0;
    get(bits);
    value = static_cast<int64_t>(bits >> 1 ^ (0 - (bits & 1)));
  }
  void get(int& value) {
    int64_t wide = 0;
    get(wide);
    value = static_cast<int>(wide);
  }
  void get(bool& value) {
    uint64_t bits = 0;
    get(bits);
    value = bits != 0;
  }
  template <typename Enum>
  requires std::is_enum_v<Enum>
  void get(Enum& value) {
    uint64_t bits = 0;
    get(bits);
    value = static_cast<Enum>(bits);
  }
  void get(float& value) { get_raw(&value, sizeof value); }
  void get(std::string& text) {
    text.resize(size(1));
    get_raw(text.data(), text.size());
  }
  void get(std::vector<float>& values) {
    values.resize(size(sizeof(float)));
    get_raw(values.data(), values.size() * sizeof(float));
  }
  void get(std::vector<std::byte>& bytes) {
    bytes.resize(size(1));
    get_raw(bytes.data(), bytes.size());
  }
  void get(std::vector<int32_t>& numbers) {
    numbers.clear();
    get_progressions([&](int64_t value) { numbers.push_back(static_cast<int32_t>(value)); });
  }
  template <typename T>
  void get(kernels::RowsView<T>& view) {
    uint64_t address = 0;
    (*this)(address, view.rows, view.columns, view.stride);
    if (view.rows < 0 || view.columns < 0 || view.stride < 0) refuse();
    const int64_t values = view.rows == 0 ? 0 : (view.rows - 1) * view.stride + view.columns;
    view.data =
        reinterpret_cast<T*>(memory_.find(address, static_cast<size_t>(values) * sizeof(float)));
  }
  void get(kernels::KvLayout& layout) {
    (*this)(layout.kv_heads, layout.head_dim, layout.k_type, layout.v_type, layout.has_values);
  }

  template <typename Take>
  void get_progressions(const Take& take) {
    uint64_t left = 0;
    get(left);
    int64_t last = 0;
    while (left > 0) {
      int64_t distance = 0, step = 0;
      uint64_t count = 0;
      (*this)(distance, step, count);
      if (count == 0 || count > left) refuse();
      last += distance;
      for (uint64_t i = 0; i < count; ++i) {
        if (i > 0) last += step;
        take(last);
      }
      left -= count;
    }
  }
  size_t size(size_t each) {
    uint64_t count = 0;
    get(count);
    if (count > rest_.size() / each) refuse();
    return static_cast<size_t>(count);
  }
  void get_raw(void* data, size_t bytes) {
    if (bytes > rest_.size()) refuse();
    if (bytes > 0) std::memcpy(data, rest_.data(), bytes);
    rest_ = rest_.subspan(bytes);
  }

  std::span<const std::byte> rest_;
  const AddressMap& memory_;
};

}  // namespace lazyllm::distributed
