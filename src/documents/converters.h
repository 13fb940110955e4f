// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "base/file_kind.h"
#include "lazyllm/document_reader.h"

namespace lazyllm::documents {

/// Whether a program makes a text of this format.
bool is_converted(FileFormat format);

/// Text of a document in a format that is_converted(). Errors: Error(unsupported) where the program
/// is missing; Error(invalid_input) where it fails or finds no text.
std::string convert(std::string_view bytes, FileFormat format, const std::string& name,
                    const ConversionLimits& limits);

/// A web page by the ending of its name or its first bytes.
bool is_html(std::string_view bytes, std::string_view name);
/// As convert().
std::string convert_html(std::string_view bytes, const std::string& name,
                         const ConversionLimits& limits);

}  // namespace lazyllm::documents
