// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/json_object.h"
#include "formats/model_file.h"

namespace lazyllm::formats {

/// A config that names more tokens is damaged.
constexpr int64_t kLongestContext = int64_t{1} << 30;

/// Writes the rope.* keys of `architecture` from either spelling of a config:
/// rope_theta + rope_scaling, or rope_parameters (flat, or one object per layer type).
/// Errors: Error(invalid_file), Error(unsupported) for unknown scaling types.
void translate_rope(const JsonObject& config, const std::string& architecture, double default_theta,
                    int64_t head_dimension, Metadata& metadata);

}  // namespace lazyllm::formats
