// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>

#include "eval_suites.h"
#include "lazyllm/evaluation/needle.h"
#include "lazyllm/evaluation/texts.h"

namespace lazyllm::cli {
namespace {

using evaluation::NeedleKind;

NeedleKind parse_kind(const std::string& name) {
  for (const NeedleKind kind : evaluation::NeedleOptions().kinds) {
    if (evaluation::to_string(kind) == name) return kind;
  }
  throw Error(
      ErrorCode::usage,
      fmt::format("needle task {}: unknown; there are literal, paraphrased, several", name));
}

}  // namespace

std::vector<evaluation::Task> needle_tasks(const EvalOptions& options,
                                           const evaluation::PromptBuilder& prompts) {
  evaluation::NeedleOptions needle;
  if (!options.tasks.empty()) {
    needle.kinds.clear();
    std::transform(options.tasks.begin(), options.tasks.end(), std::back_inserter(needle.kinds),
                   parse_kind);
  }
  if (!options.lengths.empty()) {
    needle.lengths = options.lengths;
  } else if (options.max_length > 0) {
    needle.lengths = {options.max_length};
  }
  const bool given = !options.lengths.empty() || options.max_length > 0;
  for (const int64_t length : given ? needle.lengths : std::vector<int64_t>()) {
    prompts.check_length(options.lengths.empty() ? "--max-length" : "--lengths", length);
  }
  if (!options.depths.empty()) needle.depths = options.depths;
  if (options.limit > 0) needle.trials = options.limit;
  needle.seed = options.seed(needle.seed);
  return evaluation::make_needle_tasks(
      needle, evaluation::joined(evaluation::read_texts("--data", options.data)),
      prompts.counter());
}

}  // namespace lazyllm::cli
