// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <span>

#include "base/error.h"
#include "evaluation/samples.h"
#include "evaluation/tables.h"
#include "lazyllm/evaluation/evaluate.h"
#include "lazyllm/lazyllm.h"

namespace lazyllm::evaluation {
namespace {

using Json = Samples::Json;

class QuestionEvaluation {
 public:
  QuestionEvaluation(const std::string& suite, std::shared_ptr<const Model> model,
                     const PromptBuilder& prompts, const std::vector<Task>& tasks,
                     const std::vector<Arm>& arms, Samples& samples, const OnProgress& on_progress,
                     const Part& part)
      : suite_(suite),
        model_(std::move(model)),
        info_(model_->info()),
        prompts_(prompts),
        tasks_(tasks),
        arms_(arms),
        samples_(samples),
        on_progress_(on_progress),
        part_(part) {}

  /// [task][arm][record]
  std::vector<TaskSamples> run() {
    int64_t records = 0, number = 0;
    for (const Task& task : tasks_) {
      records += std::ssize(task.records);
      // What cannot be asked is found now, not in an hour. A cut prompt always fits, if any does.
      const size_t checked =
          task.cut_middle ? std::min<size_t>(1, task.records.size()) : task.records.size();
      for (size_t i = 0; i < checked; ++i) prompts_.prompt(task, task.records[i]);
    }
    int64_t mine = 0;
    for (int64_t i = 0; i < records; ++i) mine += part_.has(i, records) ? 1 : 0;
    Progress progress{"", 0, mine * std::ssize(arms_), 0};
    std::vector<TaskSamples> all;
    for (const Task& task : tasks_) {
      TaskSamples of_task{task.name, task.metric, std::vector<std::vector<Json>>(arms_.size())};
      for (const Record& record : task.records) {
        if (!part_.has(number++, records)) continue;
        const ChatPrompt prompt = prompts_.prompt(task, record);
        Json dense;  // the first arm
        for (size_t arm = 0; arm < arms_.size(); ++arm) {
          progress.task = task.name;
          on_progress_(progress);
          const std::string name = key(task, record, prompt, arms_[arm]);
          const Json* known = samples_.find(
              name, [&](const JsonObject& line) { check_question_sample(line, record); });
          of_task.arms[arm].push_back(
              known != nullptr ? *known : sample(task, record, prompt, arms_[arm], name, dense));
          if (arm == 0) dense = of_task.arms[0].back();
          ++progress.done;
          progress.computed += known == nullptr ? 1 : 0;
        }
      }
      all.push_back(std::move(of_task));
    }
    return all;
  }

 private:
  /// The prompt's tokens stand for the question, its cutting and the chat template.
  std::string key(const Task& task, const Record& record, const ChatPrompt& prompt,
                  const Arm& arm) const {
    std::string content =
        fmt::format("{} {} {} {} {} {}", task.metric, task.max_tokens, task.first_line_only,
                    task.stop_at_line_end, fmt::join(prompts_.answer(task, record), " "),
                    fmt::join(prompt.tokens, " "));
    for (const TokenRange& range : prompt.protected_ranges) {
      content += fmt::format(" {}-{}", range.begin, range.end);
    }
    for (const std::string& answer : record.answers) content.append(1, '\0').append(answer);
    for (const std::string& label : record.classes) content.append(1, '\1').append(label);
    return fmt::format("{}|{}|{}|{}|{:016x}", fingerprint(arm, info_), suite_, task.name, record.id,
                       std::hash<std::string>()(content));
  }

  Json sample(const Task& task, const Record& record, const ChatPrompt& prompt, const Arm& arm,
              const std::string& name, const Json& dense) {
    Session session(model_, arm.session);
    GenerationOptions generation;
    generation.sampling.temperature = 0.0f;
    generation.max_tokens = task.max_tokens;
    if (task.stop_at_line_end) generation.stop = {"\n"};
    generation.protected_ranges = prompt.protected_ranges;
    const GenerationResult result = session.generate(prompt.tokens, generation);

    Sample common;
    common.suite = suite_;
    common.task = task.name;
    common.category = task.category;
    common.id = record.id;
    common.arm = arm.name;
    common.policy = arm.policy();
    common.statistics = session.statistics();
    common.prediction = result.text;
    common.score = score_prediction(task, record, result.text);
    common.key = name;
    const std::vector<double> steps = common.statistics.computed_by_step;
    // Dense, the prompt's state is still what it was; otherwise written tokens revived some of it.
    if (common.statistics.policy != "dense") session.reset();
    const std::vector<TokenId> gold = gold_tokens(task, record, prompt.tokens.size());
    if (!gold.empty()) {
      common.answer_loglik = session.log_likelihood(prompt.tokens, gold, prompt.protected_ranges);
    }

    Json line = to_json(common);
    line["answer_tokens"] = gold.size();
    line["tokens"] = result.tokens;
    line["dense_prefix"] = common_prefix(result.tokens, dense);
    if (!steps.empty()) line["computed_by_step"] = steps;
    line["length"] = record.length;
    if (record.depth) line["depth"] = *record.depth;
    if (!record.kind.empty()) line["kind"] = record.kind;
    if (!record.bucket.empty()) line["bucket"] = record.bucket;
    samples_.add(line);
    return line;
  }

  /// What common_prefix() and the tables read.
  static void check_question_sample(const JsonObject& line, const Record& record) {
    check_sample(line);
    constexpr int64_t kMost = std::numeric_limits<TokenId>::max();
    line.integers("tokens", 0, kMost);
    if (!line.has("tokens") || !line.raw().at("tokens").is_array()) {
      fail(ErrorCode::invalid_file,
           "{}: \"tokens\" is not a list of token ids; delete the line, "
           "and it is computed anew",
           line.where());
    }
    line.require(line.integer("dense_prefix", 0, kMost), "dense_prefix");
    line.require(line.integer("length", 0, int64_t{1} << 53), "length");
    if (record.depth) line.require(line.real("depth"), "depth");
  }

  /// An answer longer than the context is cut to fit.
  std::vector<TokenId> gold_tokens(const Task& task, const Record& record,
                                   size_t prompt_size) const {
    std::vector<TokenId> gold = prompts_.answer(task, record);
    const size_t room = static_cast<size_t>(info_.context_length) - prompt_size;
    gold.resize(std::min(gold.size(), room));
    return gold;
  }

  /// Tokens that the answer begins with as the dense one does; all of the dense one itself.
  static size_t common_prefix(const std::vector<TokenId>& tokens, const Json& dense) {
    if (dense.is_null()) return tokens.size();
    const auto other = dense.at("tokens").get<std::vector<TokenId>>();
    const auto end = std::mismatch(tokens.begin(), tokens.end(), other.begin(), other.end()).first;
    return static_cast<size_t>(end - tokens.begin());
  }

  const std::string& suite_;
  std::shared_ptr<const Model> model_;
  ModelInfo info_;
  const PromptBuilder& prompts_;
  const std::vector<Task>& tasks_;
  const std::vector<Arm>& arms_;
  Samples& samples_;
  const OnProgress& on_progress_;
  const Part part_;
};

}  // namespace

std::string evaluate_questions(const std::string& suite, std::shared_ptr<const Model> model,
                               const PromptBuilder& prompts, const std::vector<Task>& tasks,
                               const std::vector<Arm>& arms, Samples& samples,
                               const OnProgress& on_progress, const Part& part) {
  QuestionEvaluation evaluation(suite, std::move(model), prompts, tasks, arms, samples, on_progress,
                                part);
  const std::vector<TaskSamples> results = evaluation.run();
  if (!part.is_whole()) return {};
  std::string out = score_table(results, arms);
  if (suite == "needle") out.append("\n").append(needle_grids(results, arms));
  return out;
}

}  // namespace lazyllm::evaluation
