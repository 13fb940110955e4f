// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "lazyllm/profile.h"

namespace lazyllm::lazy {

/// `options` with the members it leaves unset taken from the profile.
PruningOptions with_profile(const PruningOptions& options, const Profile& profile);

}  // namespace lazyllm::lazy
