// SPDX-License-Identifier: Apache-2.0
#include "base/non_numbers.h"

namespace lazyllm {

std::string quote_non_numbers(std::string_view text) {
  std::string result;
  result.reserve(text.size() + 16);
  bool inside = false;
  for (size_t i = 0; i < text.size();) {
    const char c = text[i];
    std::string_view word;
    if (!inside && (c == 'N' || c == 'I' || c == '-')) {
      for (const std::string_view known : {"NaN", "Infinity", "-Infinity"}) {
        if (text.substr(i).starts_with(known)) word = known;
      }
    }
    if (!word.empty()) {
      result.append(1, '"').append(word).append(1, '"');
      i += word.size();
      continue;
    }
    if (c == '"') inside = !inside;
    result += c;
    ++i;
    if (inside && c == '\\' && i < text.size()) result += text[i++];
  }
  return result;
}

}  // namespace lazyllm
