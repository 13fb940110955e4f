// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <string>

#include "lazyllm/c/lazyllm_c.h"
#include "lazyllm/error.h"

namespace lazyllm::c_api {

/// The sentence of lazyllm_last_error().
std::string& last_error();
/// Keeps what the exception in work says; called in a catch block.
lazyllm_status keep_error() noexcept;

/// Runs `action`; no exception leaves.
template <typename Action>
lazyllm_status guarded(Action&& action) noexcept {
  try {
    action();
    return LAZYLLM_OK;
  } catch (...) {
    return keep_error();
  }
}

/// Errors: Error(usage) for a pointer that is needed and NULL.
inline void require(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Error(ErrorCode::usage, std::string(name) + " must not be NULL");
}

/// What the caller said, and zeros for what its version does not have. Errors: Error(usage) for a
/// size that is none, or for something said that this version does not know.
template <typename Options>
Options known_part(const Options* given) {
  Options known{};
  known.struct_size = sizeof(Options);
  if (given == nullptr) return known;
  const size_t size = given->struct_size;
  if (size < sizeof(size_t) || size > (1 << 16))
    throw Error(ErrorCode::usage, "struct_size is not set; begin with LAZYLLM_C_INIT");
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (size_t i = sizeof(Options); i < size; ++i) {
    if (bytes[i] != 0)
      throw Error(ErrorCode::usage,
                  "an option is set that this version does not know; take a newer lazyllm");
  }
  std::memcpy(&known, given, std::min(size, sizeof(Options)));
  return known;
}

inline std::string or_empty(const char* text) {
  return text == nullptr ? std::string() : std::string(text);
}

}  // namespace lazyllm::c_api
