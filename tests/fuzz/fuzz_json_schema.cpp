// SPDX-License-Identifier: Apache-2.0
// Any text as a JSON Schema: refused with Error, or compiled. Then bytes of the text choose among
// the bytes that may come next: there always is one, until the value is complete.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "grammar/recogniser.h"
#include "grammar/schema_compiler.h"
#include "lazyllm/error.h"

using namespace lazyllm;

namespace {

constexpr size_t kMostBytes = 400;

std::vector<grammar::Thread> step(grammar::Recogniser& recogniser,
                                  const std::vector<grammar::Thread>& threads, uint8_t byte) {
  std::vector<grammar::Thread> next;
  for (const grammar::Thread& thread : threads) recogniser.advance(thread, byte, next);
  return next;
}

void walk(grammar::Recogniser& recogniser, std::string_view choices) {
  std::vector<grammar::Thread> threads = {recogniser.start()};
  for (size_t i = 0; i < kMostBytes; ++i) {
    const auto wish = static_cast<uint8_t>(choices[i % choices.size()] + (i / choices.size()));
    bool found = false;
    for (int offset = 0; offset < 256 && !found; ++offset) {
      const auto byte = static_cast<uint8_t>(wish + offset);
      std::vector<grammar::Thread> next = step(recogniser, threads, byte);
      if (next.empty()) continue;
      threads = std::move(next);
      found = true;
    }
    if (!found) {
      for (const grammar::Thread& thread : threads) {
        if (!recogniser.complete(thread)) std::abort();
      }
      return;
    }
    recogniser.compact(threads);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    grammar::Recogniser recogniser(grammar::compile_schema(text));
    walk(recogniser, text);
  } catch (const Error&) {
  }
  return 0;
}
