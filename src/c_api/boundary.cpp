// SPDX-License-Identifier: Apache-2.0
#include "c_api/boundary.h"

#include <cstdlib>
#include <exception>
#include <new>

#include "lazyllm/version.h"

namespace lazyllm::c_api {
namespace {

lazyllm_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::usage:
      return LAZYLLM_USAGE;
    case ErrorCode::invalid_input:
      return LAZYLLM_INVALID_INPUT;
    case ErrorCode::invalid_file:
      return LAZYLLM_INVALID_FILE;
    case ErrorCode::unsupported:
      return LAZYLLM_UNSUPPORTED;
    case ErrorCode::io:
      return LAZYLLM_IO;
    case ErrorCode::context_full:
      return LAZYLLM_CONTEXT_FULL;
    case ErrorCode::cancelled:
      return LAZYLLM_CANCELLED;
    case ErrorCode::overloaded:
      return LAZYLLM_OVERLOADED;
    case ErrorCode::internal:
      return LAZYLLM_INTERNAL;
  }
  return LAZYLLM_INTERNAL;
}

}  // namespace

std::string& last_error() {
  thread_local std::string text;
  return text;
}

lazyllm_status keep_error() noexcept {
  try {
    try {
      throw;
    } catch (const Error& error) {
      last_error() = error.what();
      return status_of(error.code());
    } catch (const std::exception& error) {
      last_error() = error.what();
    } catch (...) {
      last_error() = "an unknown error";
    }
  } catch (...) {  // no memory for the sentence
  }
  return LAZYLLM_INTERNAL;
}

}  // namespace lazyllm::c_api

extern "C" {

const char* lazyllm_version(void) {
  static const std::string version = lazyllm::version();
  return version.c_str();
}

int32_t lazyllm_c_api_version(void) {
  return LAZYLLM_C_API_VERSION;
}

const char* lazyllm_last_error(void) {
  return lazyllm::c_api::last_error().c_str();
}

void lazyllm_free(void* memory) {
  std::free(memory);
}

}  // extern "C"
