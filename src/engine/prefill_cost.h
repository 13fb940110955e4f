// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "lazy/policy.h"
#include "lazyllm/prefill_cost.h"

namespace lazyllm::engine {

/// Tokens entering each layer when a policy prunes a prompt as its shares say; of these,
/// `protected_tokens` stay in any case.
std::vector<int64_t> expected_set_sizes(const lazy::Policy& policy, int64_t tokens,
                                        int64_t protected_tokens, int layers);

/// Layers that every token of a prompt passes before the policy drops the first.
int exact_depth(const lazy::Policy& policy, int layers);

}  // namespace lazyllm::engine
