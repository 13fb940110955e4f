// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "evaluation/random.h"
#include "lazyllm/evaluation/ruler.h"

// What a kind of RULER's tasks must know; one file each.
namespace lazyllm::evaluation {

/// One sample's texts.
struct RulerSample {
  std::string prompt, answer_prefix;
  std::vector<std::string> answers;
  std::string gold;  ///< how the answer goes on behind its prefix
};

class RulerGenerator {
 public:
  virtual ~RulerGenerator() = default;
  /// A sample whose haystack has `size` units; everything else is drawn.
  virtual RulerSample make(int64_t size, Random& random) const = 0;
  virtual int64_t smallest_size() const = 0;
  /// Larger ones cannot be made.
  virtual int64_t largest_size() const { return int64_t{1} << 24; }
  /// A sample that turned out too long loses so many units at a time.
  virtual int64_t step() const = 0;
};

/// What generators share. Outlives them.
struct RulerSources {
  const RulerOptions& options;
  const RulerTemplates& templates;
  std::vector<std::string_view> essay_words;
  const TokenCounter& count;

  /// RULER halves its word counts and steps below 4,096 tokens.
  bool is_short() const { return options.max_length < 4096; }
};

std::unique_ptr<RulerGenerator> make_niah_generator(const std::string& task,
                                                    const RulerSources& sources);
std::unique_ptr<RulerGenerator> make_variable_tracking_generator(const RulerSources& sources);
std::unique_ptr<RulerGenerator> make_common_words_generator(const RulerSources& sources);
std::unique_ptr<RulerGenerator> make_frequent_words_generator(const RulerSources& sources);

/// The tasks that hide needles, and whether in an essay.
struct NiahTask {
  std::string_view name;
  enum class Haystack { noise, essay, needle } haystack;
  bool uuid_keys, uuid_values;
  int keys, values, queries;
};
const NiahTask* find_niah_task(std::string_view name);
std::vector<std::string> niah_task_names();

/// Every `name` in `form` becomes `value`.
std::string replace_all(std::string form, std::string_view name, std::string_view value);
/// "x y z"
std::string join(const std::vector<std::string>& parts, std::string_view separator);
/// "1. x 2. y"
std::string numbered(const std::vector<std::string>& words);

}  // namespace lazyllm::evaluation
