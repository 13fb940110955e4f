// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/task.h"

#include <algorithm>

#include "evaluation/string_match.h"
#include "lazyllm/research/metrics.h"

namespace lazyllm::evaluation {

double score_prediction(const Task& task, const Record& record, std::string prediction) {
  if (task.metric == "string_match_all") return string_match_all(prediction, record.answers);
  if (task.metric == "string_match_part") return string_match_part(prediction, record.answers);
  if (task.first_line_only) {
    prediction.erase(0, std::min(prediction.find_first_not_of('\n'), prediction.size()));
    prediction.erase(std::min(prediction.find('\n'), prediction.size()));
  }
  double best = 0.0;
  for (const std::string& answer : record.answers) {
    best = std::max(best, metric_score(task.metric, prediction, answer, record.classes));
  }
  return best;
}

}  // namespace lazyllm::evaluation
