// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "base/json_object.h"
#include "formats/hugging_face_config.h"
#include "formats/hugging_face_model_types.h"

namespace lazyllm::formats {

/// What LFM2's config.json says of its layers, convolutions, widths and experts, added to `result`,
/// which holds what all model types have in common.
/// Errors: Error(invalid_file) or Error(unsupported) naming the key.
void translate_lfm2(const JsonObject& config, const ModelType& type, TranslatedConfig& result);

}  // namespace lazyllm::formats
