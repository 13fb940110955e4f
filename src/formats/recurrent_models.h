// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lazyllm::formats {

/// What the recurrent layers are that keep an architecture (GGUF's name) or a model_type (Hugging
/// Face's) from being supported, for messages: "Mamba-2". Empty: not one of those.
std::string_view recurrent_layers_of(std::string_view name);

}  // namespace lazyllm::formats
