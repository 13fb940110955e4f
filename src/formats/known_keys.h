// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json_object.h"
#include "formats/model_file.h"

namespace lazyllm::formats {

// Which keys of a model's description are read, which are known to change nothing, and
// which would change the result and are not implemented. All lists stand in known_keys.cpp.

/// Refuses what would change the computation of this model_type, and returns the names that nobody
/// knows. Errors: Error(unsupported) naming the key and its value.
std::vector<std::string> check_config_keys(const JsonObject& config, std::string_view model_type);

/// The same for a GGUF file's keys under the prefix of its architecture.
std::vector<std::string> check_gguf_keys(const Metadata& metadata, std::string_view architecture,
                                         const std::string& where);

/// Whether the lists above say something about this architecture (GGUF's name).
bool is_known_architecture(std::string_view architecture);

/// The one line about names that nobody knows; at most a dozen are listed.
std::string unknown_keys_message(const std::string& where, const std::vector<std::string>& names);

}  // namespace lazyllm::formats
