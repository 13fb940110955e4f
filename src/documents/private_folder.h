// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

namespace lazyllm::documents {

/// A folder that only this user can read, for the time of one conversion.
class PrivateFolder {
 public:
  /// Errors: Error(io).
  PrivateFolder();
  /// Removes it with all that is in it.
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace lazyllm::documents
