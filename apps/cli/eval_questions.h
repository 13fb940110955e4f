// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "eval_arms.h"
#include "eval_prompt.h"
#include "eval_samples.h"
#include "lazyllm/evaluation/task.h"

namespace lazyllm::cli {

/// Answers all questions with every arm, scores them, keeps every sample, and prints a table.
/// Errors: PromptBuilder's, before anything is computed; EvalSamples'.
void evaluate_questions(const EvalOptions& options, std::shared_ptr<const Model> model,
                        const PromptBuilder& prompts, const std::vector<evaluation::Task>& tasks,
                        const std::vector<EvalArm>& arms, EvalSamples& samples);

}  // namespace lazyllm::cli
