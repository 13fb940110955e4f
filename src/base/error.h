// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include "lazyllm/error.h"

namespace lazyllm {

/// Throws Error with a message in fmt's syntax: fail(ErrorCode::io, "{}: cannot open", path).
template <typename... Arguments>
[[noreturn]] void fail(ErrorCode code, fmt::format_string<Arguments...> format,
                       Arguments&&... arguments) {
  throw Error(code, fmt::format(format, std::forward<Arguments>(arguments)...));
}

}  // namespace lazyllm

/// An invariant of our own code, checked in debug builds only. Never use it on
/// data that comes from a user.
#ifdef LAZYLLM_DEBUG_CHECKS
#define LAZYLLM_CHECK(condition)                                                               \
  do {                                                                                         \
    if (!(condition)) {                                                                        \
      ::lazyllm::fail(::lazyllm::ErrorCode::internal, "{}:{}: broken invariant: {}", __FILE__, \
                      __LINE__, #condition);                                                   \
    }                                                                                          \
  } while (false)
#else
#define LAZYLLM_CHECK(condition) static_cast<void>(0)
#endif
