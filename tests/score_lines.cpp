// SPDX-License-Identifier: Apache-2.0
// Scores each line of the input, one of
//   {"metric": ..., "prediction": ..., "answer": ..., "classes": [...]}  a LongBench metric
//   {"metric": ..., "prediction": ..., "answers": [...]}                 a task's score
//   {"dense": [...], "other": [...], "token": ...}                       logits: kl, same top,
//                       both negative log-likelihoods and the change of the token's probability
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "lazyllm/evaluation/divergence.h"
#include "lazyllm/evaluation/task.h"
#include "lazyllm/research/metrics.h"

namespace {

using Json = nlohmann::json;

void print_metric(const Json& line) {
  std::printf("%.17g\n", lazyllm::metric_score(line["metric"].get<std::string>(),
                                               line["prediction"].get<std::string>(),
                                               line["answer"].get<std::string>(),
                                               line["classes"].get<std::vector<std::string>>()));
}

void print_score(const Json& line) {
  lazyllm::evaluation::Task task;
  task.metric = line["metric"].get<std::string>();
  lazyllm::evaluation::Record record;
  record.answers = line["answers"].get<std::vector<std::string>>();
  std::printf("%.17g\n", score_prediction(task, record, line["prediction"].get<std::string>()));
}

void print_divergence(const Json& line) {
  const auto d = lazyllm::evaluation::compare_logits(line["dense"].get<std::vector<float>>(),
                                                     line["other"].get<std::vector<float>>(),
                                                     line["token"].get<lazyllm::TokenId>());
  std::printf("%.17g %d %.17g %.17g %.17g\n", d.kl, d.same_top ? 1 : 0, d.nll_dense, d.nll_other,
              d.probability_change);
}

}  // namespace

int main() {
  for (std::string text; std::getline(std::cin, text);) {
    const Json line = Json::parse(text);
    if (line.contains("dense")) {
      print_divergence(line);
    } else if (line.contains("answers")) {
      print_score(line);
    } else {
      print_metric(line);
    }
  }
}
