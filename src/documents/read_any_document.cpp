// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"
#include "base/file_kind.h"
#include "documents/code_folder.h"
#include "documents/converters.h"
#include "documents/windows_1252.h"
#include "lazyllm/document.h"
#include "lazyllm/document_reader.h"

namespace lazyllm {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kLittleMark = "\xff\xfe"sv, kBigMark = "\xfe\xff"sv,
                           kWideBigMark = "\0\0\xfe\xff"sv;

bool has_mark(std::string_view bytes) {  // UTF-32LE's begins with UTF-16LE's
  return bytes.starts_with(kLittleMark) || bytes.starts_with(kBigMark) ||
         bytes.starts_with(kWideBigMark);
}

std::string with_mark(std::string_view mark, const std::string& bytes) {
  return std::string(mark) + bytes;
}

/// Texts of any encoding as UTF-8; other bytes are refused.
std::string to_text(std::string bytes, FileFormat format, const std::string& name,
                    Document& document) {
  switch (format) {
    case FileFormat::utf16_little:
      return decode_document(with_mark(kLittleMark, bytes), name);
    case FileFormat::utf16_big:
      return decode_document(with_mark(kBigMark, bytes), name);
    case FileFormat::windows_1252:
      document.notes.push_back(name + " is not UTF-8; it was read as Windows-1252 (Latin-1)");
      return decode_document(documents::from_windows_1252(bytes), name);
    default:
      return decode_document(std::move(bytes), name);
  }
}

}  // namespace

Document to_document(std::string bytes, std::string_view name_view,
                     const ConversionLimits& limits) {
  const std::string name(name_view);
  if (bytes.empty()) {
    fail(ErrorCode::invalid_input, "{} is empty; there is no text to read in it.", name);
  }
  Document document;
  const FileFormat format = has_mark(bytes) ? FileFormat::utf8 : kind_of(bytes).format;
  if (documents::is_converted(format)) {
    document.text = documents::convert(bytes, format, name, limits);
    return document;
  }
  document.text = to_text(std::move(bytes), format, name, document);
  if (documents::is_html(document.text, name)) {
    document.text = documents::convert_html(document.text, name, limits);
  }
  refuse_blank_document(document.text, name);
  return document;
}

Document read_any_document(const std::filesystem::path& path, const ConversionLimits& limits) {
  std::error_code error;
  if (path != "-" && std::filesystem::is_directory(path, error)) {
    return documents::read_code_folder(path, limits);
  }
  return to_document(read_document_bytes(path), document_name(path), limits);
}

}  // namespace lazyllm
