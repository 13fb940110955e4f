// SPDX-License-Identifier: Apache-2.0
#include "text/byte_alphabet.h"

#include <array>

#include "text/unicode.h"

namespace lazyllm::text {
namespace {

struct Alphabet {
  std::array<std::string, 256> spellings;
  std::array<int, 0x144> bytes;  ///< by code point; -1 outside the alphabet

  Alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < 256; ++byte) {
      const bool printable = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
      const char32_t code_point = printable ? byte : next++;
      append_utf8(spellings[byte], code_point);
      bytes[code_point] = static_cast<int>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet instance;
  return instance;
}

}  // namespace

const std::string& spelling_of_byte(unsigned char byte) {
  return alphabet().spellings[byte];
}

std::string bytes_of_spelling(std::string_view spelling) {
  const Alphabet& table = alphabet();
  std::string result;
  for (size_t at = 0; at < spelling.size();) {
    const DecodedCharacter c = decode_utf8(spelling, at);
    const bool known =
        c.valid && c.code_point < table.bytes.size() && table.bytes[c.code_point] >= 0;
    if (known) {
      result.push_back(static_cast<char>(table.bytes[c.code_point]));
    } else {
      result.append(spelling.substr(at, c.length));
    }
    at += c.length;
  }
  return result;
}

std::string spelling_of_bytes(std::string_view bytes) {
  std::string result;
  result.reserve(bytes.size() * 2);
  for (const char byte : bytes) result += spelling_of_byte(static_cast<unsigned char>(byte));
  return result;
}

}  // namespace lazyllm::text
