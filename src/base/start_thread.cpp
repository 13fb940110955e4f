// SPDX-License-Identifier: Apache-2.0
#include "base/start_thread.h"

#include <system_error>

#include "base/error.h"

namespace lazyllm {

std::thread start_thread(std::string_view what_for, std::function<void()> body) {
  try {
    return std::thread(std::move(body));
  } catch (const std::system_error& error) {
    fail(ErrorCode::overloaded,
         "cannot start {}: {}. Ask for fewer threads with -t, or raise the limit of processes "
         "(ulimit -u; of a container, its own)",
         what_for, error.code().message());
  }
}

}  // namespace lazyllm
