// SPDX-License-Identifier: Apache-2.0
// Answers a suite's questions densely and with each policy asked for, scores them, and keeps
// every sample. So far there is one suite: longbench.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "eval_longbench.h"
#include "eval_samples.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

using Json = EvalSamples::Json;

struct EvalOptions {
  CommonOptions common;
  std::string suite = "longbench", data, out;
  std::vector<std::string> tasks, policies;
  int64_t limit = 0, max_length = 0;
};

constexpr int64_t kTemplateTokens = 128;

/// A policy with its schedule: "lazy", "lazy@19:0.1".
struct Arm {
  std::string policy, prune;
};

/// Sums over the samples of one task under one policy.
struct Totals {
  int64_t samples = 0, weighed = 0;
  double score = 0.0, ttft_ms = 0.0, total_ms = 0.0, computed = 0.0, computed_end = 0.0,
         loglik = 0.0;

  void add(const Json& sample) {
    ++samples;
    score += sample["score"].get<double>();
    ttft_ms += sample["ttft_ms"].get<double>();
    total_ms += sample["total_ms"].get<double>();
    computed += sample["computed_fraction"].get<double>();
    computed_end += sample["computed_fraction_end"].get<double>();
    if (!sample["answer_loglik"].is_null()) {
      loglik += sample["answer_loglik"].get<double>();
      ++weighed;
    }
  }
  double mean(double sum) const { return sum / static_cast<double>(samples); }
};

class Evaluation {
 public:
  Evaluation(const EvalOptions& options, std::shared_ptr<const Model> model,
             const std::vector<EvalTask>& tasks, const std::vector<Arm>& arms)
      : options_(options),
        model_(std::move(model)),
        info_(model_->info()),
        tasks_(tasks),
        arms_(arms),
        samples_(options.out) {}

  void run() {
    for (const EvalTask& task : tasks_) {
      max_length(task);  // refused now, not in an hour
      planned_ += static_cast<int64_t>(task.records.size() * arms_.size());
    }
    start_ = std::chrono::steady_clock::now();
    for (const EvalTask& task : tasks_) {
      for (const EvalRecord& record : task.records) {
        const std::vector<TokenId> prompt = prompt_tokens(task, record);
        for (size_t arm = 0; arm < arms_.size(); ++arm) {
          show_progress(task);
          totals_[{task.name, arm}].add(sample(task, record, prompt, arms_[arm]));
          ++done_;
        }
      }
    }
    progress_.clear();
    write_out(table());
  }

 private:
  /// Everything that a result depends on: a sample with another key is not used again. The
  /// prompt's tokens stand for the record, its cutting and the chat template.
  std::string key(const EvalTask& task, const EvalRecord& record,
                  const std::vector<TokenId>& prompt, const Arm& arm) const {
    const CommonOptions& c = options_.common;
    std::string tokens;
    for (const TokenId token : prompt) tokens += std::to_string(token) + ' ';
    std::string pruning;
    if (arm.policy != "dense") {
      pruning = fmt::format("{},{},{},{},{},{},{}", arm.prune, c.score, c.score_pool,
                            c.protect_first, c.protect_last, c.revive_budget, c.min_prompt);
    }
    return fmt::format("{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{}|{:016x}", version(), info_.path,
                       info_.file_bytes, info_.isa, info_.threads, c.cache_type_k, c.cache_type_v,
                       arm.policy, pruning, task.name, record.id, std::hash<std::string>()(tokens));
  }

  int64_t max_length(const EvalTask& task) const {
    // Room for the answer and for what a chat template adds.
    const int64_t most = info_.context_length - task.max_tokens - kTemplateTokens;
    if (most < 2) {
      throw Error(ErrorCode::usage,
                  fmt::format("task {}: answers of {} tokens leave no room for a prompt in the "
                              "model's context of {}; leave the task out with --tasks",
                              task.name, task.max_tokens, info_.context_length));
    }
    return options_.max_length > 0 ? std::min(options_.max_length, most) : most;
  }

  /// Cut in the middle on tokens, joined as text and tokenised anew, as LongBench does it.
  std::vector<TokenId> prompt_tokens(const EvalTask& task, const EvalRecord& record) const {
    std::string text = record.prompt;
    const std::vector<TokenId> tokens = model_->tokenize(text);
    const int64_t most = max_length(task);
    if (static_cast<int64_t>(tokens.size()) > most) {
      const auto half = static_cast<size_t>(most / 2);
      text = model_->detokenize(std::span(tokens).first(half)) +
             model_->detokenize(std::span(tokens).last(half));
    }
    if (!task.in_chat_template || !model_->has_chat_template() || options_.common.no_chat) {
      return model_->tokenize(text);
    }
    const ChatMessage message[] = {{"user", text}};
    return model_->apply_chat_template(message);
  }

  Json sample(const EvalTask& task, const EvalRecord& record, const std::vector<TokenId>& prompt,
              const Arm& arm) {
    const std::string name = key(task, record, prompt, arm);
    if (const Json* known = samples_.find(name)) return *known;
    CommonOptions common = options_.common;
    common.policy = arm.policy;
    common.prune = arm.prune;
    Session session(model_, session_options(common));
    GenerationOptions generation;
    generation.sampling.temperature = 0.0f;
    generation.max_tokens = task.max_tokens;
    if (task.stop_at_line_end) generation.stop = {"\n"};
    const GenerationResult result = session.generate(prompt, generation);
    const Statistics statistics = session.statistics();
    // Dense, the prompt's state is still what it was; otherwise written tokens revived some of it.
    if (statistics.policy != "dense") session.reset();
    const Json loglik = answer_log_likelihood(session, prompt, record.answers.front());
    const Json line = {{"suite", options_.suite},
                       {"task", task.name},
                       {"category", task.category},
                       {"id", record.id},
                       {"length", record.length},
                       {"policy", arm.policy},
                       {"schedule", statistics.schedule},
                       {"prediction", result.text},
                       {"score", score_prediction(task, record, result.text)},
                       {"ttft_ms", statistics.ttft_ms},
                       {"tpot_ms", statistics.tpot_ms},
                       {"total_ms", statistics.total_ms},
                       {"prompt_tokens", statistics.prompt_tokens},
                       {"generated_tokens", statistics.generated_tokens},
                       {"computed_fraction", statistics.computed_fraction},
                       {"computed_fraction_end", statistics.computed_fraction_end},
                       {"answer_loglik", loglik},
                       {"key", name}};
    samples_.add(line);
    ++fresh_;
    return line;
  }

  /// Null when there is nothing to weigh. An answer longer than the context is cut to fit.
  Json answer_log_likelihood(Session& session, const std::vector<TokenId>& prompt,
                             const std::string& answer) const {
    std::vector<TokenId> gold = model_->tokenize(answer, /*add_special=*/false);
    const auto room = static_cast<size_t>(info_.context_length) - prompt.size();
    gold.resize(std::min(gold.size(), room));
    return gold.empty() ? Json(nullptr) : Json(session.log_likelihood(prompt, gold));
  }

  void show_progress(const EvalTask& task) {
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start_;
    std::string left;
    if (fresh_ > 0) {
      const double each = spent.count() / static_cast<double>(fresh_);
      const auto seconds = static_cast<int64_t>(each * static_cast<double>(planned_ - done_));
      left = fmt::format(", about {}:{:02} min left", seconds / 60, seconds % 60);
    }
    progress_.show("eval", static_cast<double>(done_) / static_cast<double>(planned_),
                   fmt::format("{} {}/{}{}", task.name, done_, planned_, left));
  }

  std::string arm_name(const Arm& arm) const {
    return arm.prune.empty() ? arm.policy : arm.policy + " " + arm.prune;
  }

  std::string table() const {
    std::string out =
        "| task | metric | n | policy | score | answer log-likelihood | TTFT ms | TTFT to dense | "
        "total to dense | computed | at the end |\n"
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|\n";
    for (const EvalTask& task : tasks_) {
      const Totals& dense = totals_.at({task.name, 0});
      for (size_t arm = 0; arm < arms_.size(); ++arm) {
        const Totals& t = totals_.at({task.name, arm});
        out += fmt::format(
            "| {} | {} | {} | {} | {:.2f} | {:.3f} | {:.0f} | {:.2f}x | {:.2f}x | {:.3f} | {:.3f} "
            "|\n",
            task.name, task.metric, t.samples, arm_name(arms_[arm]), 100.0 * t.mean(t.score),
            t.loglik / static_cast<double>(t.weighed), t.mean(t.ttft_ms), dense.ttft_ms / t.ttft_ms,
            dense.total_ms / t.total_ms, t.mean(t.computed), t.mean(t.computed_end));
      }
    }
    return out;
  }

  const EvalOptions& options_;
  std::shared_ptr<const Model> model_;
  ModelInfo info_;
  const std::vector<EvalTask>& tasks_;
  const std::vector<Arm>& arms_;
  EvalSamples samples_;
  std::map<std::pair<std::string, size_t>, Totals> totals_;
  ProgressLine progress_;
  std::chrono::steady_clock::time_point start_;
  int64_t planned_ = 0, done_ = 0, fresh_ = 0;
};

std::vector<Arm> parse_arms(const EvalOptions& options) {
  std::vector<Arm> arms = {{"dense", ""}};
  for (const std::string& text : options.policies) {
    const size_t at = text.find('@');
    const Arm arm{text.substr(0, at),
                  at == std::string::npos ? options.common.prune : text.substr(at + 1)};
    require_known_policy(arm.policy);
    if (arm.policy != "dense") arms.push_back(arm);
  }
  return arms;
}

void evaluate(const EvalOptions& options) {
  if (options.suite != "longbench") {
    throw Error(ErrorCode::usage,
                fmt::format("--suite {}: there is longbench so far", options.suite));
  }
  const std::vector<Arm> arms = parse_arms(options);
  const std::vector<EvalTask> tasks = read_longbench(options.data, options.tasks, options.limit);
  const std::shared_ptr<const Model> model = load_model(options.common);
  for (const Arm& arm : arms) {  // a schedule the model cannot have is found now, not in an hour
    CommonOptions common = options.common;
    common.policy = arm.policy;
    common.prune = arm.prune;
    const Session check(model, session_options(common));
  }
  Evaluation(options, model, tasks, arms).run();
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "answer and score a suite of long prompts, densely and pruned");
  add_model_flags(*command, options->common);
  command->add_option("--suite", options->suite, "longbench")->capture_default_str();
  command->add_option("--data", options->data, "folder with the suite's files")->required();
  command->add_option("--tasks", options->tasks, "names of tasks (default: all in the folder)")
      ->delimiter(',');
  command->add_option("--limit", options->limit, "records of each task; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option("--max-length", options->max_length,
                   "prompt tokens above which the middle is cut out")
      ->check(CLI::PositiveNumber);
  command
      ->add_option("--out", options->out,
                   "folder for samples.jsonl; an interrupted run goes on there")
      ->required();
  command->add_option("--policy", options->policies,
                      "POLICY or POLICY@SCHEDULE; may be repeated. dense always runs beside them");
  CommonOptions& common = options->common;
  command->add_flag("--no-chat", common.no_chat, "bare text instead of the model's chat template");
  add_cache_type_flags(*command, common);
  add_schedule_flags(*command, common);
  command->footer(
      "Example:\n"
      "  lazyllm eval -m model.gguf --data LongBench/data --tasks trec,hotpotqa --limit 20 "
      "--max-length 3500 --policy lazy --policy lazy@15:0.3 --policy random@0:0.5 --out results");
  command->callback([options] { evaluate(*options); });
}

}  // namespace lazyllm::cli
