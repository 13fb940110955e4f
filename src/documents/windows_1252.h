// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm::documents {

/// Windows-1252 as UTF-8; Latin-1 is the same but for control characters that no text has. Bytes
/// that it leaves undefined become the control characters of Latin-1, as browsers do.
std::string from_windows_1252(std::string_view bytes);

}  // namespace lazyllm::documents
