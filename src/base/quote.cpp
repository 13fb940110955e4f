// SPDX-License-Identifier: Apache-2.0
#include "base/quote.h"

#include "base/error.h"

namespace lazyllm {

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 100;
  std::string text = "\"";
  for (const char c : name.substr(0, kLongest)) {
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (c >= 0x20 && c < 0x7f) {
      text += c;
    } else {
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  text += name.size() > kLongest ? "...\"" : "\"";
  return text;
}

}  // namespace lazyllm
