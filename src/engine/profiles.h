// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lazy/policy.h"
#include "lazyllm/model.h"
#include "lazyllm/options.h"

namespace lazyllm::engine {

/// lazy::resolve() with the profile that applies. Errors: as applied_profile() and resolve().
lazy::PruningPlan make_plan(const PruningOptions& options, const Model& model);

}  // namespace lazyllm::engine
