// SPDX-License-Identifier: Apache-2.0
// Any text as tokenizer.json. A byte 0 separates it from tokenizer_config.json and from a
// text to encode. What loads must encode any bytes into ids of its own and decode them.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "lazyllm/error.h"
#include "text/tokenizer.h"

using namespace lazyllm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  const auto take = [&rest] {
    const size_t end = std::min(rest.find('\0'), rest.size());
    const std::string part(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return part;
  };
  const std::string tokenizer_json = take();
  const std::string tokenizer_config = take();
  const std::string sample =
      std::string("Hello, w\xc3\xb6rld 12345\n\n  \xff<s>") + std::string(rest);
  try {
    const auto tokenizer = text::Tokenizer::create(
        text::parse_hugging_face_tokenizer(tokenizer_json, tokenizer_config, "fuzz"));
    for (const bool parse_special : {false, true}) {
      const auto ids = tokenizer->encode(sample, /*add_special=*/true, parse_special);
      for (const text::TokenId id : ids) {
        if (id < 0 || id >= tokenizer->size()) std::abort();
      }
      tokenizer->decode(ids, /*special=*/true);
    }
  } catch (const Error&) {
  }
  return 0;
}
