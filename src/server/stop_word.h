// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "server/answer_record.h"

namespace lazyllm::server {

/// The stop string that ended a complete choice; nothing if something else did.
std::optional<std::string> stop_word(const AnswerRecord& record, const ChoiceRecord& choice);

}  // namespace lazyllm::server
