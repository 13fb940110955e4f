// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>

namespace lazyllm::library {

/// The name of a file system that several machines mount, by the number in statfs::f_type; null for
/// all others. The index needs memory that its processes share (SQLite's write-ahead log) and locks
/// that hold, and such a file system promises neither.
const char* network_file_system(int64_t type);

/// The same of the file system that holds a folder, or would if the folder were made; null where
/// the kernel does not tell.
const char* network_file_system(const std::filesystem::path& folder);

}  // namespace lazyllm::library
