// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// Writes GGUF v3 files: metadata in the order of their keys, tensors in the order added.
/// Integers are written as u32, i32 or i64, whichever fits first; lists of them as i32
/// or i64; reals as f32, as every other reader of GGUF expects.
class GgufWriter {
 public:
  /// `alignment`: of each tensor's data; a power of two from 8 on.
  explicit GgufWriter(uint32_t alignment = 32);

  /// Sets a key, or replaces its value.
  void set(const std::string& key, MetadataValue value);

  /// `shape` is outermost first, as in TensorView. The bytes are not copied: they must
  /// live until the file is written.
  /// Errors: Error(invalid_input) if name, shape, type and number of bytes disagree.
  void add_tensor(const std::string& name, StorageType type, std::vector<int64_t> shape,
                  std::span<const std::byte> data);
  /// As above, but keeps the bytes itself.
  void add_tensor(const std::string& name, StorageType type, std::vector<int64_t> shape,
                  std::vector<std::byte>&& data);
  /// F32 values, copied.
  void add_tensor(const std::string& name, std::vector<int64_t> shape,
                  std::span<const float> values);

  /// Values that are made while the file is written, some rows at a time.
  void add_tensor(const std::string& name, StorageType type, std::vector<int64_t> shape,
                  RowMaker rows);

  std::vector<std::byte> bytes() const;
  /// The file appears whole or not at all. `progress`: 0 .. 1.
  /// Errors: Error(io), and what the makers of rows throw.
  void write(const std::filesystem::path& path,
             const std::function<void(double)>& progress = {}) const;

 private:
  std::string header() const;
  void add(TensorView tensor);
  void write_to(std::ostream& stream, const std::function<void(double)>& progress) const;

  uint32_t alignment_;
  Metadata metadata_;
  std::vector<TensorView> tensors_;
  std::vector<std::vector<std::byte>> owned_;
};

}  // namespace lazyllm::formats
