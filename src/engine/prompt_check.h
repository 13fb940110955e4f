// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "lazyllm/model.h"
#include "model/architecture.h"

namespace lazyllm::engine {

/// Whether tokens can be a prompt. Errors: Error(invalid_input) for none or for ids out of range,
/// Error(context_full) with the numbers if they are more than `context`.
void check_prompt(std::span<const TokenId> tokens, int64_t context,
                  const model::Hyperparameters& hyperparameters);

}  // namespace lazyllm::engine
