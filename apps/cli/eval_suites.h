// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "eval_options.h"
#include "lazyllm/evaluation/prompt_builder.h"
#include "lazyllm/evaluation/task.h"

namespace lazyllm::cli {

// Each reads or makes the questions of a suite as the flags say; one file each.
// Errors: those of the reader or generator, in terms of the flags.

std::vector<evaluation::Task> longbench_tasks(const EvalOptions& options);
/// --data: a templates.json, a folder with one, a jsonl file of samples or a folder with such.
std::vector<evaluation::Task> ruler_tasks(const EvalOptions& options,
                                          const evaluation::PromptBuilder& prompts);
/// --data: a text or a folder of texts.
std::vector<evaluation::Task> needle_tasks(const EvalOptions& options,
                                           const evaluation::PromptBuilder& prompts);

}  // namespace lazyllm::cli
