// SPDX-License-Identifier: Apache-2.0
#include "documents/private_folder.h"

#include <cstdlib>
#include <cstring>

#include "base/error.h"

namespace lazyllm::documents {

PrivateFolder::PrivateFolder() {
  std::error_code error;
  std::filesystem::path parent = std::filesystem::temp_directory_path(error);  // honours TMPDIR
  if (error) parent = "/tmp";
  std::string name = (parent / "lazyllm-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {  // mode 0700
    fail(ErrorCode::io,
         "{}: no folder can be made there for converting a document: {}. Set TMPDIR to one that "
         "can be written.",
         parent.string(), std::strerror(errno));
  }
  path_ = name;
}

PrivateFolder::~PrivateFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

}  // namespace lazyllm::documents
