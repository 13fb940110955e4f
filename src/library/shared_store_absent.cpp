// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "library/shared_store.h"

namespace lazyllm::library {

std::unique_ptr<SharedStore> open_shared_store(const std::string& address) {
  fail(ErrorCode::unsupported,
       "{}: this build has no shared store; install libhiredis-dev and build again", address);
}

}  // namespace lazyllm::library
