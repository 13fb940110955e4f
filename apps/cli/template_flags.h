// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "model_flags.h"

namespace lazyllm::cli {

/// --chat-template and --chat-template-file, both into chat_template_file: a name, a Jinja source
/// or a path. No name has a dot or a slash, and every path has one.
void add_template_flags(CLI::App& command, ModelFlags& flags);

/// What these flags mean to ModelOptions::chat_template. Errors: Error(io) for a file.
std::string chat_template(const ModelFlags& flags);

}  // namespace lazyllm::cli
