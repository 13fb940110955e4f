// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lazyllm/evaluation/arm.h"
#include "lazyllm/evaluation/prompt_builder.h"
#include "lazyllm/evaluation/task.h"
#include "lazyllm/evaluation/texts.h"

// Runs prompts densely and pruned, keeps every sample, and compares them: `lazyllm eval`.
namespace lazyllm::evaluation {

/// Samples kept in DIR/samples.jsonl.
class Samples;

/// Makes the folder; what an earlier run with the same settings wrote there is not computed again.
/// Errors: Error(io) when it cannot be written; Error(invalid_file) with the line for a file that
/// holds anything else, which is left as it is.
std::shared_ptr<Samples> open_samples(const std::filesystem::path& folder);

struct Progress {
  std::string task;
  int64_t done = 0, planned = 0;  ///< samples
  int64_t computed = 0;           ///< of those done: not found on disk
};
using OnProgress = std::function<void(const Progress&)>;

/// One of `count` parts of all questions or windows, in order: number `index`, from 0. Parts that
/// run on several machines hold together, one behind the other, the samples of a whole run.
struct Part {
  int64_t index = 0, count = 1;

  bool is_whole() const { return count == 1; }
  /// Whether it has number `number` of `all`, from 0.
  bool has(int64_t number, int64_t all) const {
    return number >= all * index / count && number < all * (index + 1) / count;
  }
};

/// Answers all questions of `part` with every arm (dense first), scores them and keeps every
/// sample. Returns tables in Markdown; of a part nothing. Errors: PromptBuilder's, before anything
/// is computed; those of the samples.
std::string evaluate_questions(const std::string& suite, std::shared_ptr<const Model> model,
                               const PromptBuilder& prompts, const std::vector<Task>& tasks,
                               const std::vector<Arm>& arms, Samples& samples,
                               const OnProgress& on_progress, const Part& part = {});

struct TextOptions {
  int64_t windows = 0;         ///< of each text; 0: 4
  int64_t prompt_tokens = 0;   ///< 0: 2048, or what the context leaves
  int64_t continuation = 128;  ///< tokens behind each prompt that are scored
};

/// Perplexity of every arm and its divergence from dense at the positions behind long prompts:
/// windows of each text go through the prefill, the tokens behind them are forced one by one.
/// Returns a table in Markdown; of a part nothing.
/// Errors: Error(usage) for windows longer than the context; Error(invalid_input) for a text
/// shorter than one.
std::string evaluate_texts(const TextOptions& options, std::shared_ptr<const Model> model,
                           const std::vector<NamedText>& texts, const std::vector<Arm>& arms,
                           Samples& samples, const OnProgress& on_progress, const Part& part = {});

}  // namespace lazyllm::evaluation
