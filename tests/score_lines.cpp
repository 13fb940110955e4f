// SPDX-License-Identifier: Apache-2.0
// Reads lines {"metric": ..., "prediction": ..., "answer": ..., "classes": [...]} and writes
// the score of each.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "lazyllm/metrics.h"

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto record = nlohmann::json::parse(line);
    std::printf("%.17g\n",
                lazyllm::metric_score(record["metric"].get<std::string>(),
                                      record["prediction"].get<std::string>(),
                                      record["answer"].get<std::string>(),
                                      record["classes"].get<std::vector<std::string>>()));
  }
}
