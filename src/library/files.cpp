// SPDX-License-Identifier: Apache-2.0
#include "library/files.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/hash.h"

namespace lazyllm::library {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostDamaged = 16;
constexpr auto kOld = std::chrono::hours(1);

void sync(const fs::path& path, int flags) {
  const int descriptor = open(path.c_str(), flags | O_CLOEXEC);
  const bool done = descriptor >= 0 && fsync(descriptor) == 0;
  const int why = errno;
  if (descriptor >= 0) close(descriptor);
  if (!done) fail(ErrorCode::io, "{}: {}", path.string(), std::strerror(why));
}

}  // namespace

void sync_file(const fs::path& path) {
  sync(path, O_RDONLY);
}

void sync_folder(const fs::path& path) {
  sync(path, O_RDONLY | O_DIRECTORY);
}

uint64_t checksum_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::io, "{}: {}", path.string(), std::strerror(errno));
  Hash hash;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), std::ssize(buffer)) || file.gcount() > 0) {
    hash.add(std::as_bytes(std::span(buffer).first(static_cast<size_t>(file.gcount()))));
  }
  if (file.bad()) fail(ErrorCode::io, "{}: cannot be read", path.string());
  return hash.value();
}

void write_file(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), std::ssize(bytes));
  file.close();
  if (!file) fail(ErrorCode::io, "{}: cannot write; is the disk full?", path.string());
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  if (file) bytes << file.rdbuf();
  if (!file) fail(ErrorCode::io, "{}: cannot be read", path.string());
  return std::move(bytes).str();
}

void move_to_damaged(const fs::path& folder, const fs::path& file) {
  const fs::path target = folder / "damaged";
  std::error_code error;
  fs::create_directories(target, error);
  fs::rename(file, target / file.filename(), error);
  if (error) fs::remove(file, error);
  std::vector<std::pair<fs::file_time_type, fs::path>> held;
  for (const auto& entry : fs::directory_iterator(target, error)) {
    held.emplace_back(entry.last_write_time(error), entry.path());
  }
  std::sort(held.rbegin(), held.rend());
  for (size_t i = kMostDamaged; i < held.size(); ++i) fs::remove(held[i].second, error);
}

void remove_old_files(const fs::path& folder) {
  std::error_code error;
  const auto now = fs::file_time_type::clock::now();
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error) && now - entry.last_write_time(error) > kOld) {
      fs::remove(entry.path(), error);
    }
  }
}

}  // namespace lazyllm::library
