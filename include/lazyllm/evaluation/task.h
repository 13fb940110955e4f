// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace lazyllm::evaluation {

/// One question.
struct Record {
  std::string id;
  std::string where;          ///< file and line, or how it was made: for messages
  std::string prompt;         ///< the user's turn, before any cutting and the chat template
  std::string answer_prefix;  ///< how the answer begins; goes behind the template
  std::vector<std::string> answers;
  std::vector<std::string> classes;  ///< labels of a classification task
  std::string gold;                  ///< the answer as it should go on, for its likelihood
  int64_t length = 0;           ///< as the record states it: words in LongBench, tokens elsewhere
  std::optional<double> depth;  ///< of a needle: percent of the text before it
  std::string kind;             ///< of a needle
  std::string bucket;           ///< LongBench-E's: by length
};

/// Questions that are asked and scored in the same way.
struct Task {
  std::string name;
  std::string category;
  /// One of LongBench's metrics (best over the answers) or one of RULER's: string_match_all
  /// (share of the answers that the prediction contains), string_match_part (any of them).
  std::string metric;
  int64_t max_tokens = 0;        ///< of an answer
  bool in_chat_template = true;  ///< LongBench's few-shot and code tasks are not
  bool first_line_only = false;  ///< of the prediction is scored
  bool stop_at_line_end = false;
  bool cut_middle = false;  ///< of a prompt that is too long; otherwise it is refused
  std::vector<Record> records;
};

/// Tokens of a prompt with everything around it: chat template, answer prefix.
using TokenCounter =
    std::function<int64_t(const std::string& prompt, const std::string& answer_prefix)>;

/// Score of a prediction, 0 to 1, by the task's metric and rules. Thread-safe.
/// Errors: as metric_score().
double score_prediction(const Task& task, const Record& record, std::string prediction);

}  // namespace lazyllm::evaluation
