// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "model_flags.h"
#include "prompt_flags.h"
#include "pruning_flags.h"
#include "sampling_flags.h"
#include "session_flags.h"

namespace lazyllm::cli {

/// Flags that several commands share, as the user wrote them; a command adds those it has.
struct CommonOptions : ModelFlags, PromptFlags, SessionFlags, PruningFlags, SamplingFlags {
  std::string stats_json;
};

/// Errors: Error(usage).
inline SessionOptions session_options(const CommonOptions& options) {
  SessionOptions session = bare_session_options(options);
  session.pruning = pruning_options(options, options.seed);
  return session;
}

}  // namespace lazyllm::cli
