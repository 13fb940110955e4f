// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "grammar/recogniser.h"
#include "grammar/schema_compiler.h"
#include "lazyllm/error.h"

namespace lazyllm::grammar {

enum class Verdict { refused, unfinished, complete };

/// What a schema's recogniser says about a text.
inline Verdict recognise(std::string_view schema, std::string_view text) {
  Recogniser recogniser(compile_schema(schema));
  std::vector<Thread> threads = {recogniser.start()}, next;
  for (const char byte : text) {
    next.clear();
    for (const Thread& thread : threads) {
      recogniser.advance(thread, static_cast<uint8_t>(byte), next);
    }
    threads.swap(next);
    recogniser.compact(threads);
  }
  for (const Thread& thread : threads) {
    if (recogniser.complete(thread)) return Verdict::complete;
  }
  return threads.empty() ? Verdict::refused : Verdict::unfinished;
}

inline bool accepts(std::string_view schema, std::string_view text) {
  return recognise(schema, text) == Verdict::complete;
}

/// Why the compiler refuses a schema; empty if it does not.
inline std::string refusal(std::string_view schema) {
  try {
    compile_schema(schema);
  } catch (const Error& error) {
    return error.code() == ErrorCode::invalid_input ? error.what() : "another kind of error";
  }
  return {};
}

}  // namespace lazyllm::grammar
