// SPDX-License-Identifier: Apache-2.0
#include "base/write_whole_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/error.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& path, const char* reason) {
  fail(ErrorCode::io, "cannot write {}: {}; check the path and the free space", path.string(),
       reason);
}

/// Neither a file nor a place for one.
bool is_device(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  return fs::exists(status) && !fs::is_regular_file(status);
}

}  // namespace

void write_whole_file(const fs::path& path, std::string_view content) {
  if (fs::is_directory(path)) refuse(path, "it is a folder");
  const bool in_place = is_device(path);
  std::error_code unresolved;
  const fs::path file_path = fs::weakly_canonical(path, unresolved);  // a link stays a link
  fs::path target = unresolved ? path : file_path;
  const fs::path final_path = target;
  if (!in_place) target += ".part";
  errno = 0;
  std::ofstream file(target, std::ios::binary);
  file.write(content.data(), std::ssize(content));
  file.close();
  if (!file) {
    const int reason = errno != 0 ? errno : EIO;
    std::error_code ignored;
    if (!in_place) fs::remove(target, ignored);
    refuse(path, std::strerror(reason));
  }
  if (in_place) return;
  std::error_code error;
  fs::rename(target, final_path, error);
  if (error) {
    std::error_code ignored;
    fs::remove(target, ignored);
    refuse(path, error.message().c_str());
  }
}

}  // namespace lazyllm
