// SPDX-License-Identifier: Apache-2.0
#include "documents/windows_1252.h"

#include <cstdint>

namespace lazyllm::documents {
namespace {

/// Code points of the bytes 0x80 .. 0x9f.
constexpr uint16_t kHigh[32] = {0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
                                0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
                                0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
                                0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

}  // namespace

std::string from_windows_1252(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() + bytes.size() / 8);
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    const uint32_t code = byte >= 0x80 && byte < 0xa0 ? kHigh[byte - 0x80] : byte;
    if (code < 0x80) {
      text += c;
    } else if (code < 0x800) {
      text += static_cast<char>(0xc0u | code >> 6);
      text += static_cast<char>(0x80u | (code & 0x3fu));
    } else {
      text += static_cast<char>(0xe0u | code >> 12);
      text += static_cast<char>(0x80u | (code >> 6 & 0x3fu));
      text += static_cast<char>(0x80u | (code & 0x3fu));
    }
  }
  return text;
}

}  // namespace lazyllm::documents
