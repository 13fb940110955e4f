// SPDX-License-Identifier: Apache-2.0
// Any text as config.json. A byte 0 separates it from generation_config.json and
// tokenizer_config.json, so that one input reaches all three.
#include <algorithm>
#include <cstdint>
#include <string_view>

#include "formats/hugging_face_config.h"
#include "lazyllm/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take = [&rest] {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
  };
  lazyllm::formats::ConfigTexts texts;
  texts.config = take();
  texts.generation_config = take();
  texts.tokenizer_config = take();
  try {
    lazyllm::formats::translate_config(texts, "fuzz");
  } catch (const lazyllm::Error&) {
  }
  return 0;
}
