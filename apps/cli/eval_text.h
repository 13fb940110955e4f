// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <vector>

#include "eval_arms.h"
#include "eval_samples.h"
#include "eval_texts.h"

namespace lazyllm::cli {

/// Perplexity of every arm and its divergence from dense at the positions behind long prompts:
/// windows of each text go through the prefill, the tokens behind them are forced one by one.
/// Errors: Error(usage) for windows longer than the context; Error(invalid_input) for a text
/// shorter than one.
void evaluate_texts(const EvalOptions& options, std::shared_ptr<const Model> model,
                    const std::vector<EvalText>& texts, const std::vector<EvalArm>& arms,
                    EvalSamples& samples);

}  // namespace lazyllm::cli
