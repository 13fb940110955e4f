// SPDX-License-Identifier: Apache-2.0
#include "base/file_kind.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "lazyllm/document.h"

namespace lazyllm {
namespace {

using namespace std::string_view_literals;

struct Kind {
  std::string_view begins;   ///< its first bytes
  std::string_view what;     ///< "a PDF"
  std::string_view convert;  ///< a command; {0} is the file, {1} the text to make. Or empty.
};

constexpr Kind kKinds[] = {
    {"%PDF-"sv, "a PDF", "pdftotext {0} {1}"},
    {"%!PS"sv, "a PostScript file", "ps2ascii {0} {1}"},
    {"{\\rtf"sv, "a Rich Text file", "soffice --headless --convert-to txt:Text {0}"},
    {"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"sv, "an office document of an old format (.doc, .xls)",
     "soffice --headless --convert-to txt:Text {0}"},
    {"\x1f\x8b"sv, "compressed with gzip", "gunzip -c {0} > {1}"},
    {"BZh"sv, "compressed with bzip2", "bunzip2 -c {0} > {1}"},
    {"\xfd"
     "7zXZ\0"sv,
     "compressed with xz", "xz -dc {0} > {1}"},
    {"\x28\xb5\x2f\xfd"sv, "compressed with zstd", "zstd -dc {0} > {1}"},
    {"GGUF"sv, "a model in the GGUF format", ""},
    {"\x7f"
     "ELF"sv,
     "a program", ""},
    {"\x89PNG\r\n"sv, "a picture (PNG)", "tesseract {0} stdout > {1}"},
    {"\xff\xd8\xff"sv, "a picture (JPEG)", "tesseract {0} stdout > {1}"},
    {"GIF8"sv, "a picture (GIF)", "tesseract {0} stdout > {1}"},
};

/// Word, LibreOffice and EPUB keep their parts in a zip archive; the parts' names tell which.
Kind kind_of_archive(std::string_view bytes) {
  const std::string_view head = bytes.substr(0, 4096);
  const auto holds = [&](std::string_view word) { return head.find(word) != head.npos; };
  if (holds("application/epub+zip")) return {"", "an EPUB book", "pandoc -t plain {0} -o {1}"};
  if (holds("word/")) return {"", "a Word document", "pandoc -t plain {0} -o {1}"};
  if (holds("application/vnd.oasis.opendocument.text")) {
    return {"", "an OpenDocument text", "pandoc -t plain {0} -o {1}"};
  }
  if (holds("[Content_Types].xml") || holds("application/vnd.oasis")) {
    return {"", "an office document", "soffice --headless --convert-to csv {0}"};
  }
  return {"", "a zip archive", "unzip {0}"};
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

[[noreturn]] void refuse(const Kind& kind, const std::string& name) {
  if (kind.convert.empty()) {
    fail(ErrorCode::invalid_input, "{} is {}, not a text. Name a text file.", name, kind.what);
  }
  fail(ErrorCode::invalid_input, "{} is {}. Convert it: {}", name, kind.what,
       command(kind.convert, name));
}

}  // namespace

void refuse_other_kinds(std::string_view bytes, std::string_view name_view) {
  const std::string name(name_view);
  for (const Kind& kind : kKinds) {
    // Three letters may begin a text as well; then it is one throughout.
    const bool sure = kind.begins.size() > 4 || find_invalid_utf8(bytes) != bytes.npos ||
                      bytes.find('\0') != bytes.npos;
    if (bytes.starts_with(kind.begins) && sure) refuse(kind, name);
  }
  if (bytes.starts_with("PK\x03\x04"sv)) refuse(kind_of_archive(bytes), name);
  const size_t zero = bytes.find('\0');
  if (zero != bytes.npos) {
    // Texts of Latin letters in UTF-16 have a zero in every second byte.
    const std::string_view head = bytes.substr(0, 4096);
    if (static_cast<size_t>(std::count(head.begin(), head.end(), '\0')) * 3 > head.size()) {
      const bool little = head.size() > 1 && head[0] != '\0';
      refuse({"", "probably a text in UTF-16 without a byte-order mark",
              little ? "iconv -f UTF-16LE -t UTF-8 {0} > {1}"sv
                     : "iconv -f UTF-16BE -t UTF-8 {0} > {1}"sv},
             name);
    }
    fail(ErrorCode::invalid_input,
         "{} is not a text: byte {} is zero. Name a text file, or remove the zero bytes: tr -d "
         "'\\000'",
         name, zero);
  }
  const size_t bad = find_invalid_utf8(bytes);
  if (bad == bytes.npos) return;
  if (bytes.substr(0, 1024).find(kKinds[0].begins) != bytes.npos) refuse(kKinds[0], name);
  const auto controls = std::count_if(bytes.begin(), bytes.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && "\t\n\v\f\r\x1b"sv.find(c) == ""sv.npos;
  });
  if (static_cast<size_t>(controls) * 50 > bytes.size()) {
    fail(ErrorCode::invalid_input, "{} is not a text (binary data). Name a text file.", name);
  }
  fail(ErrorCode::invalid_input,
       "{} is not valid UTF-8 at byte {} (0x{:02x}). Older texts are often in Windows-1252 or "
       "Latin-1. Convert it: {}",
       name, bad, static_cast<unsigned char>(bytes[bad]),
       command("iconv -f WINDOWS-1252 -t UTF-8 {0} > {1}", name));
}

}  // namespace lazyllm
