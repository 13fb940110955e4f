// SPDX-License-Identifier: Apache-2.0
#include "library/network_file_system.h"

#include <gtest/gtest.h>

namespace lazyllm::library {
namespace {

TEST(NetworkFileSystem, IsKnownByItsNumber) {
  EXPECT_STREQ(network_file_system(int64_t{0x6969}), "NFS");
  EXPECT_STREQ(network_file_system(int64_t{0xFF534D42}), "CIFS");
  EXPECT_STREQ(network_file_system(static_cast<int64_t>(static_cast<int32_t>(0xFE534D42))), "SMB");
  EXPECT_EQ(network_file_system(int64_t{0xEF53}), nullptr) << "ext4";
  EXPECT_EQ(network_file_system(int64_t{0x01021994}), nullptr) << "tmpfs";
  EXPECT_EQ(network_file_system(int64_t{0x794C7630}), nullptr) << "overlayfs";
}

TEST(NetworkFileSystem, FoldersOfThisMachineAreNone) {
  EXPECT_EQ(network_file_system(std::filesystem::path("/proc")), nullptr);
  EXPECT_EQ(network_file_system(std::filesystem::path("/nowhere/at/all")), nullptr);
}

}  // namespace
}  // namespace lazyllm::library
