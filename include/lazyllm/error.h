// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace lazyllm {

/// What went wrong, in the few classes a caller can act on. The command line
/// maps `usage` to exit code 2 and everything else to 1.
enum class ErrorCode {
  usage,          ///< an argument or option that cannot be meant
  invalid_input,  ///< a prompt, schedule or request that cannot be served as given
  invalid_file,   ///< a damaged or contradictory file
  unsupported,    ///< a valid file or request of a kind this version does not know
  io,             ///< the operating system refused: not found, no permission, disk full
  context_full,   ///< the tokens do not fit into the context
  cancelled,      ///< the caller cancelled the work
  overloaded,     ///< too much is asked at the moment; the same may work later
  internal,       ///< a broken invariant: a bug in lazyllm
};

/// The one exception family of the library. The message is a sentence that
/// says what happened, where, and what to do next.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace lazyllm
