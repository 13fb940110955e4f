// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "lazyllm/evaluation/task.h"

namespace lazyllm::evaluation {

enum class NeedleKind {
  literal,      ///< the question repeats the needle's words
  paraphrased,  ///< the question shares no content word with the needle
  several,      ///< four literal needles, all asked for at once
};
std::string_view to_string(NeedleKind kind);

struct NeedleOptions {
  std::vector<NeedleKind> kinds = {NeedleKind::literal, NeedleKind::paraphrased,
                                   NeedleKind::several};
  std::vector<int64_t> lengths = {1000, 2000, 4000};  ///< most tokens of a prompt
  std::vector<double> depths = {0, 25, 50, 75, 100};  ///< percent of the text before the needle
  int64_t trials = 1;                                 ///< questions of each kind, length and depth
  uint64_t seed = 0;
};

/// Needles in stretches of `haystack`, one task for each kind, named after it. A prompt has the
/// largest number of sentences with which `count` says at most `length` tokens. Of needles at once,
/// the first lies at `depth`, the others at equal distances from it, round about.
/// A question depends on the seed, its kind, length, depth and trial and the haystack only.
/// Errors: Error(usage) for a depth outside of 0 .. 100, a length too short for the question or a
/// haystack too short for the length.
std::vector<Task> make_needle_tasks(const NeedleOptions& options, std::string_view haystack,
                                    const TokenCounter& count);

}  // namespace lazyllm::evaluation
