// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "formats/model_file.h"
#include "text/vocabulary.h"

namespace lazyllm::engine {

/// The vocabulary inside a model file, from either container; nothing if it has none
/// (random weights for benchmarks). Errors: Error(invalid_file | unsupported).
std::optional<text::Vocabulary> load_vocabulary(const formats::ModelFile& file);

/// The source of the chat template inside a model file; empty if it has none.
std::string load_chat_template(const formats::ModelFile& file);
/// That for conversations with tools, named "tool_use"; empty without one of its own.
std::string load_tool_template(const formats::ModelFile& file);

}  // namespace lazyllm::engine
