// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace lazyllm {

/// A file mapped read-only into memory. Immutable, shareable between threads.
/// Errors: Error(io) if the file cannot be opened, is not a regular file or cannot be mapped.
class FileMapping {
 public:
  explicit FileMapping(const std::filesystem::path& path);
  ~FileMapping();
  FileMapping(FileMapping&& other) noexcept;
  FileMapping& operator=(FileMapping&& other) noexcept;
  FileMapping(const FileMapping&) = delete;
  FileMapping& operator=(const FileMapping&) = delete;

  std::span<const std::byte> bytes() const { return {data_, size_}; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Gives the pages that lie wholly inside `range` of a mapped file back to the
/// system; they are read again when touched. For pages that have been repacked.
void drop_pages(std::span<const std::byte> range);

/// Whole file as text. Errors: Error(io).
std::string read_text_file(const std::filesystem::path& path);

}  // namespace lazyllm
