// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace lazyllm::text {

/// GPT-2's spelling of bytes: printable Latin-1 stands for itself, the other 68 bytes
/// for U+0100 and up.
const std::string& spelling_of_byte(unsigned char byte);

/// The bytes that a token in that spelling stands for; characters outside the
/// alphabet stay as they are.
std::string bytes_of_spelling(std::string_view spelling);

/// The spelling of many bytes.
std::string spelling_of_bytes(std::string_view bytes);

}  // namespace lazyllm::text
