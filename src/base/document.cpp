// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/document.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file_kind.h"
#include "base/wide_text.h"

namespace lazyllm {
namespace {

// Far above what any model reads; ends the reading of /dev/zero and the like.
constexpr size_t kMostBytes = size_t{256} << 20;

class Descriptor {
 public:
  Descriptor(int number, bool owned) : number_(number), owned_(owned) {}
  ~Descriptor() {
    if (owned_ && number_ >= 0) close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int number() const { return number_; }

 private:
  int number_;
  bool owned_;
};

std::string read_bytes(int descriptor, const std::string& name) {
  std::string bytes;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t count = read(descriptor, buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EISDIR) {
      fail(ErrorCode::io, "cannot read {}: it is a folder. Name a text file.", name);
    }
    if (count < 0) fail(ErrorCode::io, "cannot read {}: {}", name, std::strerror(errno));
    if (count == 0) return bytes;
    bytes.append(buffer.data(), static_cast<size_t>(count));
    if (bytes.size() > kMostBytes) {
      fail(ErrorCode::invalid_input,
           "{} is larger than {} MiB; no model reads that much. Use a part of it.", name,
           kMostBytes >> 20);
    }
  }
}

/// "\r\n" becomes "\n", in place.
void unify_line_ends(std::string& text) {
  size_t end = text.find("\r\n");
  if (end == std::string::npos) return;
  for (size_t i = end; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    text[end++] = text[i];
  }
  text.resize(end);
}

}  // namespace

std::string decode_document(std::string bytes, std::string_view name) {
  if (std::optional<std::string> wide = from_wide_text(bytes, name)) {
    bytes = std::move(*wide);
  } else {
    refuse_other_kinds(bytes, name);
  }
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  if (bytes.starts_with(kMark)) bytes.erase(0, kMark.size());
  unify_line_ends(bytes);
  return bytes;
}

void refuse_blank_document(std::string_view text, std::string_view name) {
  if (text.find_first_not_of(" \t\r\n\f\v") != std::string_view::npos) return;
  fail(ErrorCode::invalid_input,
       "{} has only blank lines; there is no text to read in it. If it was made from a scanned "
       "PDF, it needs text recognition first (ocrmypdf).",
       name);
}

std::string document_name(const std::filesystem::path& path) {
  return path == "-" ? "the standard input" : path.string();
}

std::string read_document_bytes(const std::filesystem::path& path) {
  const bool standard_input = path == "-";
  const std::string name = document_name(path);
  const Descriptor file(
      standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY),
      !standard_input);
  if (file.number() < 0) {
    fail(ErrorCode::io, "cannot read {}: {}. Check the path and its permissions.", name,
         std::strerror(errno));
  }
  std::string bytes = read_bytes(file.number(), name);
  if (bytes.empty()) {
    fail(ErrorCode::invalid_input, "{} is empty; there is no text to read in it.", name);
  }
  return bytes;
}

std::string read_document(const std::filesystem::path& path) {
  const std::string name = document_name(path);
  std::string text = decode_document(read_document_bytes(path), name);
  refuse_blank_document(text, name);
  return text;
}

bool is_standard_input(const std::filesystem::path& path) {
  if (path == "-") return true;
  struct stat named {};
  struct stat input {};
  return stat(path.c_str(), &named) == 0 && fstat(STDIN_FILENO, &input) == 0 &&
         named.st_dev == input.st_dev && named.st_ino == input.st_ino;
}

size_t find_invalid_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    size_t length = 1;
    uint32_t code = lead;
    if (lead >= 0x80) {
      if (lead >= 0xc2 && lead <= 0xdf)
        length = 2, code = lead & 0x1fu;
      else if (lead >= 0xe0 && lead <= 0xef)
        length = 3, code = lead & 0x0fu;
      else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4, code = lead & 0x07u;
      else
        return i;
    }
    if (i + length > text.size()) return i;
    for (size_t k = 1; k < length; ++k) {
      const auto byte = static_cast<unsigned char>(text[i + k]);
      if ((byte & 0xc0u) != 0x80u) return i;
      code = code << 6 | (byte & 0x3fu);
    }
    const bool overlong = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
    if (overlong || (code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return i;
    i += length;
  }
  return std::string_view::npos;
}

}  // namespace lazyllm
