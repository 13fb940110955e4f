// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

namespace lazyllm {

enum class FileFormat {
  utf8,
  windows_1252,  ///< a text in no encoding that names itself; most often this one or Latin-1
  damaged_utf8,  ///< most of it is UTF-8
  utf16_little,  ///< without a byte-order mark
  utf16_big,
  pdf,
  word,
  open_document,
  epub,
  rich_text,
  other,  ///< no text, and nothing that becomes one here
};

struct FileKind {
  FileFormat format = FileFormat::utf8;
  std::string_view what;     ///< "a PDF"; empty for some of `other`
  std::string_view convert;  ///< a command; {0} is the file, {1} the text to make. Or empty.
};

/// What bytes are by their first ones, or by all where these do not tell. Texts with a byte-order
/// mark other than UTF-8's are `other`: from_wide_text() comes first.
FileKind kind_of(std::string_view bytes);

/// Refuses bytes that are no UTF-8 text, saying what they are and how to make a text of them.
/// Errors: Error(invalid_input) with `name`.
void refuse_other_kinds(std::string_view bytes, std::string_view name);

}  // namespace lazyllm
