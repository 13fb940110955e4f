// SPDX-License-Identifier: Apache-2.0
#include "session_flags.h"

#include <fmt/format.h>

#include "help.h"

namespace lazyllm::cli {
namespace {

CacheType parse_cache_type(const std::string& flag, const std::string& text) {
  if (text == "f16") return CacheType::f16;
  if (text == "f32") return CacheType::f32;
  if (text == "q8_0") return CacheType::q8_0;
  throw Error(ErrorCode::usage, fmt::format("{} {}: write f16, f32 or q8_0", flag, text));
}

}  // namespace

void add_cache_type_flags(CLI::App& command, SessionFlags& flags) {
  command
      .add_option(
          "--cache-type-k", flags.cache_type_k,
          "number format of the model's memory of the text, keys: f16, f32, q8_0 (half as large)")
      ->capture_default_str()
      ->group(expert_group());
  command
      .add_option("--cache-type-v", flags.cache_type_v, "the same for the values: f16, f32, q8_0")
      ->capture_default_str()
      ->group(expert_group());
}

void add_session_flags(CLI::App& command, SessionFlags& flags) {
  command
      .add_option(
          "-c,--ctx-size", flags.context,
          "room for document, question and answer, in tokens (default: the most the model allows)")
      ->check(CLI::NonNegativeNumber);
  add_cache_type_flags(command, flags);
  command.add_option("--color", flags.color, "colour on terminals: auto, on, off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->expected(0, 1)
      ->default_str("auto");
  command.add_flag("--verbose", flags.verbose, "every figure of an answer, and its settings");
}

SessionOptions bare_session_options(const SessionFlags& flags) {
  SessionOptions session;
  session.context = flags.context;
  session.cache_type_k = parse_cache_type("--cache-type-k", flags.cache_type_k);
  session.cache_type_v = parse_cache_type("--cache-type-v", flags.cache_type_v);
  return session;
}

}  // namespace lazyllm::cli
