// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace lazyllm::library {

/// Its bytes are on the disk when this returns. Errors: Error(io).
void sync_file(const std::filesystem::path& path);
/// Names that were made or removed in it are on the disk. Errors: Error(io).
void sync_folder(const std::filesystem::path& path);

/// XXH3 of a file's bytes. Errors: Error(io).
uint64_t checksum_of(const std::filesystem::path& path);

/// Errors: Error(io).
void write_file(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);

/// Moves a file to FOLDER/damaged, of which the newest few are kept.
void move_to_damaged(const std::filesystem::path& folder, const std::filesystem::path& file);

/// Removes what a process that was killed left half-written: files older than an hour.
void remove_old_files(const std::filesystem::path& folder);

}  // namespace lazyllm::library
