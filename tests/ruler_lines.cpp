// SPDX-License-Identifier: Apache-2.0
// ruler_lines MODEL TEMPLATES ESSAY MAX_LENGTH SAMPLES SEED [TASK...]: writes generated samples in
// RULER's own jsonl form, with the model's tokens counted as bare text. Driver of
// tests/python/test_eval_ruler.py.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "lazyllm/evaluation/ruler.h"
#include "lazyllm/lazyllm.h"

int main(int argc, char** argv) {
  using namespace lazyllm;
  if (argc < 7) return 2;
  const auto model = Model::load_without_weights(argv[1]);
  std::ifstream file(argv[3], std::ios::binary);
  const std::string essay((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  evaluation::RulerOptions options;
  options.max_length = std::stoll(argv[4]);
  options.samples = std::stoll(argv[5]);
  options.seed = std::stoull(argv[6]);
  options.tasks.assign(argv + 7, argv + argc);
  const auto count = [&](const std::string& prompt, const std::string& prefix) {
    return static_cast<int64_t>(model->tokenize(prompt + prefix).size());
  };
  const auto tasks = evaluation::make_ruler_tasks(
      options, evaluation::read_ruler_templates(argv[2]), essay, count);
  for (const evaluation::Task& task : tasks) {
    int64_t index = 0;
    for (const evaluation::Record& record : task.records) {
      const nlohmann::json line = {
          {"task", task.name},         {"index", index++},
          {"input", record.prompt},    {"answer_prefix", record.answer_prefix},
          {"outputs", record.answers}, {"length", record.length},
          {"gold", record.gold},       {"max_tokens", task.max_tokens}};
      std::printf("%s\n", line.dump().c_str());
    }
  }
}
