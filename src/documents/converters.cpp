// SPDX-License-Identifier: Apache-2.0
#include "documents/converters.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/lower_ascii.h"
#include "documents/private_folder.h"
#include "documents/run_program.h"
#include "lazyllm/document.h"

namespace lazyllm::documents {
namespace {

constexpr char kPandoc[] = "pandoc";

struct Converter {
  const char* what;  ///< "a PDF"
  const char* program;
  const char* package;  ///< of Debian
  const char* format;   ///< pandoc's name for it
  const char* no_text;  ///< what to do where it finds none
};

constexpr char kNoText[] = "Name a document that has some.";

Converter converter_of(FileFormat format) {
  switch (format) {
    case FileFormat::pdf:
      return {"a PDF", "pdftotext", "poppler-utils", "",
              "It was probably scanned and needs text recognition first: ocrmypdf."};
    case FileFormat::word:
      return {"a Word document", kPandoc, kPandoc, "docx", kNoText};
    case FileFormat::open_document:
      return {"an OpenDocument text", kPandoc, kPandoc, "odt", kNoText};
    case FileFormat::epub:
      return {"an EPUB book", kPandoc, kPandoc, "epub", kNoText};
    case FileFormat::rich_text:
      return {"a Rich Text file", kPandoc, kPandoc, "rtf", kNoText};
    default:
      return {};
  }
}

constexpr Converter kHtml = {"a web page", kPandoc, kPandoc, "html", kNoText};

std::vector<std::string> arguments_of(const Converter& converter, const std::string& input,
                                      const ConversionLimits& limits) {
  if (converter.program != std::string_view(kPandoc)) {
    return {"-q", "-enc", "UTF-8", "-nopgbrk", input, "-"};
  }
  // The sandbox keeps pandoc from the network and from other files that a document may name.
  return {"--sandbox", "--from", converter.format,
          "--to",      "plain",  "--wrap=none",
          input,       "+RTS",   fmt::format("-M{}m", limits.memory_bytes >> 20),
          "-RTS"};
}

void write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), std::ssize(bytes));
  file.close();
  if (!file) {
    fail(ErrorCode::io, "{}: cannot write; is the disk full? TMPDIR names another folder.",
         path.parent_path().string());
  }
}

/// The first line of what a program complained of, without the private path; at most 300 bytes.
std::string first_line(const std::string& complaint, const std::string& folder) {
  std::string line = complaint.substr(0, complaint.find('\n')).substr(0, 300);
  for (size_t at; (at = line.find(folder + "/")) != line.npos;) line.erase(at, folder.size() + 1);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  if (find_invalid_utf8(line) != line.npos) return {};
  return line;
}

[[noreturn]] void refuse(const ProgramEnd& end, const Converter& converter, const std::string& name,
                         const std::string& folder, const ConversionLimits& limits) {
  using How = ProgramEnd::How;
  if (end.how == How::out_of_time) {
    fail(ErrorCode::invalid_input,
         "{} is {}, and {} was not ready with it after {} s; it was ended. Convert a part of it.",
         name, converter.what, converter.program, limits.time.count() / 1000.0);
  }
  if (end.how == How::too_much_output) {
    fail(ErrorCode::invalid_input,
         "{} is {} with more than {} MiB of text; no model reads that much. Use a part of it.",
         name, converter.what, limits.output_bytes >> 20);
  }
  std::string why = first_line(end.complaint, folder);
  if (why.empty()) {
    why = end.how == How::by_signal ? fmt::format("signal {}", end.status)
                                    : fmt::format("exit status {}", end.status);
  }
  fail(ErrorCode::invalid_input,
       "{} is {} that {} cannot read: {}. It is damaged, protected or larger than {} MiB of memory "
       "allow.",
       name, converter.what, converter.program, why, limits.memory_bytes >> 20);
}

std::string run(std::string_view bytes, const Converter& converter, const std::string& name,
                const ConversionLimits& limits) {
  const std::optional<std::filesystem::path> program = find_program(converter.program);
  if (!program) {
    fail(ErrorCode::unsupported,
         "{} is {}; {}, which makes a text of it, is not installed. Install the package {}: apt "
         "install {}",
         name, converter.what, converter.program, converter.package, converter.package);
  }
  const PrivateFolder folder;
  write(folder.path() / "document", bytes);
  ProgramEnd end =
      run_program(*program, arguments_of(converter, "document", limits), folder.path(), limits);
  if (!end.succeeded()) refuse(end, converter, name, folder.path().string(), limits);
  std::string text = decode_document(std::move(end.output), name);
  if (text.find_first_not_of(" \t\r\n\f\v\xc2\xa0") == std::string::npos) {
    fail(ErrorCode::invalid_input, "{} is {} without text. {}", name, converter.what,
         converter.no_text);
  }
  return text;
}

}  // namespace

bool is_converted(FileFormat format) {
  return converter_of(format).program != nullptr;
}

std::string convert(std::string_view bytes, FileFormat format, const std::string& name,
                    const ConversionLimits& limits) {
  return run(bytes, converter_of(format), name, limits);
}

bool is_html(std::string_view bytes, std::string_view name) {
  const std::string ending = lower_ascii(std::filesystem::path(name).extension().string());
  if (ending == ".html" || ending == ".htm" || ending == ".xhtml") return true;
  const std::string head = lower_ascii(bytes.substr(0, 256));
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return false;
  return head.compare(first, 14, "<!doctype html") == 0 || head.compare(first, 5, "<html") == 0;
}

std::string convert_html(std::string_view bytes, const std::string& name,
                         const ConversionLimits& limits) {
  return run(bytes, kHtml, name, limits);
}

}  // namespace lazyllm::documents
