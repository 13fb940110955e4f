// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "text/vocabulary.h"

namespace lazyllm::text {

/// Completes vocabulary.end_of_generation: EOS, EOT, EOM and the tokens with well-known
/// spellings ("<|im_end|>", "<end_of_turn>", ...), since many files do not name them all. They
/// become control tokens, so that no text a user wrote turns into them. An unset EOT is
/// set to the first of those that end a turn.
void find_ends_of_generation(Vocabulary& vocabulary);

}  // namespace lazyllm::text
