// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "grammar/grammar.h"

namespace lazyllm::grammar {

/// Fills in the heights and removes what no finite value can fill, so that everything that is left
/// can be completed. False if nothing is left.
bool find_heights(Grammar& grammar);

}  // namespace lazyllm::grammar
