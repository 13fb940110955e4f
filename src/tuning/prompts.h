// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"
#include "lazyllm/tuning.h"

namespace lazyllm::tuning {

enum class TuneKind { needle, text, record };
std::string_view to_string(TuneKind kind);

/// A long prompt and how it goes on: what a pruned model must still say.
struct TunePrompt {
  TuneKind kind = TuneKind::text;
  std::string name;
  std::vector<TokenId> prompt, answer;
  std::vector<TokenRange> protected_ranges;  ///< of the prompt, as every program protects them
  bool held_out = false;                     ///< only the figures of the profile are measured on it
};

/// Needles in the texts, windows of them, and records. Of each kind every third prompt is held out.
/// jsonl: LongBench's fields in a folder with its prompts, or "prompt" with "answer" (or "answers")
/// in a file. Errors: Error(io | invalid_file | invalid_input) with file and line; Error(usage) if
/// nothing can be made of the data.
std::vector<TunePrompt> make_tune_prompts(const TunePromptOptions& options,
                                          const std::shared_ptr<const Model>& model);

}  // namespace lazyllm::tuning
