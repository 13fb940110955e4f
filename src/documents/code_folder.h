// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "lazyllm/document_reader.h"

namespace lazyllm::documents {

/// The texts of a folder in the order of their paths, each below its path as a heading; what git
/// ignores, links and files that are no text are left out. Errors: Error(unsupported) where git is
/// missing; Error(invalid_input) for a folder without texts, or of more than the limit.
Document read_code_folder(const std::filesystem::path& folder, const ConversionLimits& limits);

}  // namespace lazyllm::documents
