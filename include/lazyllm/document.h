// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

namespace lazyllm {

/// Reads a text whole and once: a file, a pipe, a FIFO; "-" is the standard input. The text comes
/// back as UTF-8 without a byte-order mark and with "\n" at the ends of lines; UTF-16 and UTF-32
/// with a mark are converted.
/// Errors: Error(io) where nothing can be read; Error(invalid_input) for what is empty, is no text
/// (a PDF, an archive), is in another encoding, or is larger than 256 MiB. The message names the
/// file and the program that converts it.
std::string read_document(const std::filesystem::path& path);

/// The bytes as they are, read whole and once. Errors: as read_document() for what cannot be read,
/// is empty or too large.
std::string read_document_bytes(const std::filesystem::path& path);

/// The same as read_document() for bytes at hand; `name` stands for them in messages. Empty text
/// stays empty.
std::string decode_document(std::string bytes, std::string_view name);

/// Refuses a text of blank lines only. Errors: Error(invalid_input) with `name`.
void refuse_blank_document(std::string_view text, std::string_view name);

/// How messages call it: "the standard input" for "-".
std::string document_name(const std::filesystem::path& path);

/// Whether `path` is where the standard input comes from: "-", /dev/stdin, the file behind "<".
bool is_standard_input(const std::filesystem::path& path);

/// Position of the first byte that is not valid UTF-8, or npos.
size_t find_invalid_utf8(std::string_view text);

}  // namespace lazyllm
