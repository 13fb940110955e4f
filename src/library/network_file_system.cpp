// SPDX-License-Identifier: Apache-2.0
#include "library/network_file_system.h"

#include <sys/vfs.h>

#include <algorithm>
#include <iterator>

namespace lazyllm::library {
namespace {

struct FileSystem {
  uint32_t type;
  const char* name;
};

// Numbers of Linux (statfs(2), linux/magic.h). FUSE and 9p are left out: most of those lie on this
// machine, and SQLite says itself where one of them has no shared memory.
constexpr FileSystem kOfNetworks[] = {
    {0x6969, "NFS"},        {0x517B, "SMB"},      {0xFE534D42, "SMB"},   {0xFF534D42, "CIFS"},
    {0x00C36400, "Ceph"},   {0x5346414F, "AFS"},  {0x6B414653, "AFS"},   {0x73757245, "Coda"},
    {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"}, {0x7461636F, "OCFS2"}, {0x01161970, "GFS2"},
    {0x19830326, "BeeGFS"},
};

}  // namespace

const char* network_file_system(int64_t type) {
  // f_type is signed on some processors: its low 32 bits are the number.
  const auto* const found =
      std::find_if(std::begin(kOfNetworks), std::end(kOfNetworks),
                   [&](const FileSystem& one) { return one.type == static_cast<uint32_t>(type); });
  return found == std::end(kOfNetworks) ? nullptr : found->name;
}

const char* network_file_system(const std::filesystem::path& folder) {
  std::error_code unknown;
  std::filesystem::path there = std::filesystem::absolute(folder, unknown);
  while (!std::filesystem::exists(there, unknown) && there.has_relative_path()) {
    there = there.parent_path();
  }
  struct statfs told = {};
  if (statfs(there.c_str(), &told) != 0) return nullptr;
  return network_file_system(static_cast<int64_t>(told.f_type));
}

}  // namespace lazyllm::library
