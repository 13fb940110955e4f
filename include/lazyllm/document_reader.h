// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm {

/// What a program that converts a document may use.
struct ConversionLimits {
  std::chrono::milliseconds time{120'000};
  uint64_t memory_bytes = uint64_t{2} << 30;
  uint64_t output_bytes = uint64_t{256} << 20;
};

/// A text as the model gets it: UTF-8, "\n" at the ends of lines, no byte-order mark.
struct Document {
  std::string text;
  std::vector<std::string> notes;  ///< what the reader of the answer should know, a line each
};

/// Reads a document as people have it, whole and once; "-" is the standard input. Beside UTF-8:
/// UTF-16, UTF-32, Windows-1252; PDF by pdftotext; Word, OpenDocument, EPUB, Rich Text and HTML by
/// pandoc; a folder as the texts in it that git does not ignore, each below its path. Markdown and
/// the source of programs stay as they are.
/// The programs are looked for in PATH, run without a shell in a folder of their own that is
/// removed, and ended when they exceed a limit.
/// Errors: Error(io) where nothing can be read, Error(invalid_input) for what is empty, damaged or
/// no text, Error(unsupported) where a program is missing; the message says what to do.
Document read_any_document(const std::filesystem::path& path, const ConversionLimits& limits = {});

/// The same for bytes at hand; `name` stands for them in messages, and tells HTML by its ending.
Document to_document(std::string bytes, std::string_view name, const ConversionLimits& limits = {});

}  // namespace lazyllm
