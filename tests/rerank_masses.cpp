// SPDX-License-Identifier: Apache-2.0
// What every head of a model looks at in documents, for bench/rerank_quality.py.
//   rerank_masses MODEL [THREADS]
// Reads lines {"query": ..., "documents": [...]} and writes for each a line
//   {"tokens": n, "heads": [[layer, head], ...], "empty": [[...], ...], "asked": [[...], ...]}
// with the probability mass on each document, [heads][documents].
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "server/prompt_reading.h"
#include "server/rerank_prompt.h"

int main(int count, char** arguments) {
  using namespace lazyllm;
  using Json = nlohmann::json;
  if (count < 2) {
    std::fputs("usage: rerank_masses MODEL [THREADS] < lines\n", stderr);
    return 2;
  }
  try {
    ModelOptions options;
    options.threads = count > 2 ? std::atoi(arguments[2]) : 0;
    const auto model = Model::load(arguments[1], options);
    Scheduler scheduler(model, {.parallel = 1});
    for (std::string text; std::getline(std::cin, text);) {
      const Json line = Json::parse(text);
      const auto documents = line["documents"].get<std::vector<std::string>>();
      server::RerankPrompt prompt(*model, line["query"].get<std::string>(), documents);
      prompt.question.by_head = true;
      Json heads = Json::array(), empty = Json::array(), asked = Json::array();
      for (const HeadAttention& one :
           server::attention_of(scheduler, prompt.tokens, prompt.question, [] { return false; })) {
        const auto middle = one.mass.begin() + static_cast<std::ptrdiff_t>(documents.size());
        heads.push_back({one.head.layer, one.head.head});
        empty.push_back(std::vector<float>(one.mass.begin(), middle));
        asked.push_back(std::vector<float>(middle, one.mass.end()));
      }
      std::cout << Json{{"tokens", prompt.tokens.size()},
                        {"heads", heads},
                        {"empty", empty},
                        {"asked", asked}}
                << std::endl;
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rerank_masses: %s\n", error.what());
    return 1;
  }
}
