// SPDX-License-Identifier: Apache-2.0
#include "base/file_kind.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/utf8.h"
#include "lazyllm/document.h"

namespace lazyllm {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view begins;  ///< its first bytes
  FileKind kind;
};

constexpr FileKind other(std::string_view what, std::string_view convert) {
  return {FileFormat::other, what, convert};
}

constexpr Signature kSignatures[] = {
    {"%PDF-"sv, {FileFormat::pdf, "a PDF", "pdftotext {0} {1}"}},
    {"%!PS"sv, other("a PostScript file", "ps2ascii {0} {1}")},
    {"{\\rtf"sv, {FileFormat::rich_text, "a Rich Text file", "pandoc -t plain {0} -o {1}"}},
    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, other("an office document of an old format (.doc, .xls)",
                                                 "soffice --headless --convert-to txt:Text {0}")},
    {"\x1f\x8b"sv, other("compressed with gzip", "gunzip -c {0} > {1}")},
    {"BZh"sv, other("compressed with bzip2", "bunzip2 -c {0} > {1}")},
    {"\xfd"
     "7zXZ\0"sv,
     other("compressed with xz", "xz -dc {0} > {1}")},
    {"\x28\xb5\x2f\xfd"sv, other("compressed with zstd", "zstd -dc {0} > {1}")},
    {"GGUF"sv, other("a model in the GGUF format", "")},
    {"\x7f"
     "ELF"sv,
     other("a program", "")},
    {"\x89PNG\r\n"sv, other("a picture (PNG)", "tesseract {0} stdout > {1}")},
    {"\xff\xd8\xff"sv, other("a picture (JPEG)", "tesseract {0} stdout > {1}")},
    {"GIF8"sv, other("a picture (GIF)", "tesseract {0} stdout > {1}")},
};

/// Word, LibreOffice and EPUB keep their parts in a zip archive; the parts' names tell which. They
/// stand before the parts and once more in the list at the end.
FileKind kind_of_archive(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4096);
  const std::string_view list =
      bytes.substr(bytes.size() - std::min<size_t>(bytes.size(), 1 << 16));
  const auto holds = [&](std::string_view word) {
    return head.find(word) != head.npos || list.find(word) != list.npos;
  };
  constexpr std::string_view kPandoc = "pandoc -t plain {0} -o {1}";
  if (holds("application/epub+zip")) return {FileFormat::epub, "an EPUB book", kPandoc};
  if (holds("word/document")) return {FileFormat::word, "a Word document", kPandoc};
  if (holds("application/vnd.oasis.opendocument.text")) {
    return {FileFormat::open_document, "an OpenDocument text", kPandoc};
  }
  if (holds("[Content_Types].xml") || holds("application/vnd.oasis")) {
    return other("an office document", "soffice --headless --convert-to csv {0}");
  }
  return other("a zip archive", "unzip {0}");
}

std::string shell_word(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c >= 0x80 ||
           "._-/+,=@%"sv.find(static_cast<char>(c)) != ""sv.npos;
  });
  if (plain && !text.empty()) return text;
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

/// report.pdf -> report.txt; a text file that is to be converted -> report-utf8.txt
std::string converted_name(const std::filesystem::path& path) {
  std::filesystem::path target = path;
  target.replace_extension(".txt");
  if (target == path) target.replace_filename(path.stem().string() + "-utf8.txt");
  return target.string();
}

std::string command(std::string_view pattern, const std::string& name) {
  const bool file = std::filesystem::is_regular_file(name);
  return fmt::format(fmt::runtime(pattern), shell_word(file ? name : "FILE"),
                     shell_word(file ? converted_name(name) : "FILE.txt"));
}

[[noreturn]] void refuse(const FileKind& kind, const std::string& name) {
  if (kind.convert.empty()) {
    fail(ErrorCode::invalid_input, "{} is {}, not a text. Name a text file.", name, kind.what);
  }
  fail(ErrorCode::invalid_input, "{} is {}. Convert it: {}", name, kind.what,
       command(kind.convert, name));
}

/// Of bytes with a zero among them. Texts of Latin letters in UTF-16 have one in every second byte.
FileKind kind_with_zeros(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4096);
  if (static_cast<size_t>(std::count(head.begin(), head.end(), '\0')) * 3 <= head.size()) {
    return other("", "");
  }
  constexpr std::string_view kWhat = "probably a text in UTF-16 without a byte-order mark";
  if (head.size() > 1 && head[0] != '\0') {
    return {FileFormat::utf16_little, kWhat, "iconv -f UTF-16LE -t UTF-8 {0} > {1}"};
  }
  return {FileFormat::utf16_big, kWhat, "iconv -f UTF-16BE -t UTF-8 {0} > {1}"};
}

/// In other encodings hardly any bytes happen to make characters of several bytes.
bool is_mostly_utf8(std::string_view bytes) {
  int64_t whole = 0, bad = 0;
  for (size_t i = 0; i < bytes.size();) {
    const DecodedCharacter character = decode_utf8(bytes, i);
    i += character.length;
    if (!character.valid) ++bad;
    if (character.valid && character.length > 1) ++whole;
  }
  return whole > bad;
}

bool has_many_controls(std::string_view bytes) {
  const auto controls = std::count_if(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && "\t\n\v\f\r\x1b"sv.find(c) == ""sv.npos;
  });
  return static_cast<size_t>(controls) * 50 > bytes.size();
}

}  // namespace

FileKind kind_of(std::string_view bytes) {
  const bool is_text = bytes.find('\0') == bytes.npos && find_invalid_utf8(bytes) == bytes.npos;
  for (const Signature& signature : kSignatures) {
    // Three letters may begin a text as well; then it is one throughout.
    const bool sure = signature.begins.size() > 4 || !is_text;
    if (bytes.starts_with(signature.begins) && sure) return signature.kind;
  }
  if (bytes.starts_with("PK\x03\x04"sv)) return kind_of_archive(bytes);
  if (is_text) return {};
  if (bytes.substr(0, 1024).find(kSignatures[0].begins) != bytes.npos) return kSignatures[0].kind;
  if (bytes.find('\0') != bytes.npos) return kind_with_zeros(bytes);
  if (has_many_controls(bytes)) return other("", "");
  if (is_mostly_utf8(bytes)) return {FileFormat::damaged_utf8, "", ""};
  return {FileFormat::windows_1252, "", "iconv -f WINDOWS-1252 -t UTF-8 {0} > {1}"};
}

void refuse_other_kinds(std::string_view bytes, std::string_view name_view) {
  const std::string name(name_view);
  const FileKind kind = kind_of(bytes);
  if (kind.format == FileFormat::utf8) return;
  if (!kind.what.empty()) refuse(kind, name);
  if (const size_t zero = bytes.find('\0'); zero != bytes.npos) {
    fail(ErrorCode::invalid_input,
         "{} is not a text: byte {} is zero. Name a text file, or remove the zero bytes: tr -d "
         "'\\000'",
         name, zero);
  }
  if (kind.format == FileFormat::other) {
    fail(ErrorCode::invalid_input, "{} is not a text (binary data). Name a text file.", name);
  }
  const size_t bad = find_invalid_utf8(bytes);
  if (kind.format == FileFormat::damaged_utf8) {
    fail(ErrorCode::invalid_input,
         "{} is a text in UTF-8, damaged or cut off at byte {} (0x{:02x}). Leave out what is "
         "damaged: iconv -c -f UTF-8 -t UTF-8",
         name, bad, static_cast<unsigned char>(bytes[bad]));
  }
  fail(ErrorCode::invalid_input,
       "{} is not valid UTF-8 at byte {} (0x{:02x}). Older texts are often in Windows-1252 or "
       "Latin-1. Convert it: {}",
       name, bad, static_cast<unsigned char>(bytes[bad]), command(kind.convert, name));
}

}  // namespace lazyllm
