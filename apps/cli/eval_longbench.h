// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lazyllm::cli {

/// One question of an evaluation.
struct EvalRecord {
  std::string id;
  std::string prompt;                ///< before truncation and chat template
  std::vector<std::string> answers;  ///< any of them is right
  std::vector<std::string> classes;  ///< labels of a classification task
  int64_t length = 0;                ///< as the record states it: words
};

/// One data set of LongBench v1 and how it is asked and scored.
struct EvalTask {
  std::string name;
  std::string category;  ///< "single-doc QA", ...; "other" for a task of one's own
  std::string metric;
  int64_t max_tokens = 0;        ///< of an answer
  bool in_chat_template = true;  ///< few-shot and code tasks are not
  bool first_line_only = false;  ///< of the prediction is scored
  bool stop_at_line_end = false;
  std::vector<EvalRecord> records;
};

/// Reads DIR/TASK.jsonl for each task (all files there if none is named) with DIR's
/// dataset2prompt.json, dataset2maxlen.json and, for tasks that are not LongBench's own,
/// dataset2metric.json. `limit` records of each, 0: all.
/// Errors: Error(usage) for an unknown task, Error(io | invalid_file) with file and line.
std::vector<EvalTask> read_longbench(const std::filesystem::path& folder,
                                     const std::vector<std::string>& tasks, int64_t limit);

/// Best score of a prediction over the record's answers, after the task's first-line rule.
double score_prediction(const EvalTask& task, const EvalRecord& record, std::string prediction);

}  // namespace lazyllm::cli
