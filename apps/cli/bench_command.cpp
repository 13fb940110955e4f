// SPDX-License-Identifier: Apache-2.0
// llama-bench's tests and names (ppN: a prompt of N tokens, tgN: N tokens generated one by one,
// @dD: behind D tokens already held), and the lazy ones: ttftN, the time to the first token of
// a prompt of N tokens, tpotN@dD, the time of each of N further tokens behind it, and totalN@dD,
// the time of the prompt of D tokens and the N further ones together.
#include <fmt/format.h>

#include <memory>
#include <random>

#include "bench_rows.h"
#include "commands.h"
#include "common_options.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

struct BenchOptions {
  CommonOptions common;
  std::vector<std::string> models;
  std::vector<int64_t> prompts = {512}, generated = {16}, depths = {0};
  std::vector<std::string> policies;
  bool lazy_only = false;
  bool no_warmup = false;
  int repetitions = 3;
  std::string output = "md";
};

/// The tests of one model.
class Bench {
 public:
  Bench(const BenchOptions& options, std::shared_ptr<const Model> model,
        const MachineLimits& machine, std::vector<BenchRow>& rows)
      : options_(options),
        model_(std::move(model)),
        info_(model_->info()),
        machine_(machine),
        rows_(rows) {}

  void run() {
    if (!options_.lazy_only) measure_dense();
    for (const std::string& policy : options_.policies) {
      if (policy == "dense" && options_.common.attention.empty()) continue;
      for (const int64_t tokens : options_.prompts) {
        if (tokens > 0) measure_lazy(policy, tokens);
      }
    }
  }

 private:
  void measure_dense() {
    for (const int64_t depth : options_.depths) {
      for (const int64_t tokens : options_.prompts) {
        if (tokens > 0) measure_prompt(tokens, depth);
      }
      for (const int64_t tokens : options_.generated) {
        if (tokens > 0) measure_generation(tokens, depth);
      }
    }
  }

  /// The number of the first repetition: negative ones warm up and are not counted.
  int first_repetition() const { return options_.no_warmup ? 0 : -1; }

  /// Any ids: what they are does not change the work.
  std::vector<TokenId> tokens(int64_t count) const {
    std::mt19937_64 random(42);
    std::vector<TokenId> result;
    for (int64_t i = 0; i < count; ++i) {
      result.push_back(
          static_cast<TokenId>(random() % static_cast<uint64_t>(info_.vocabulary_size)));
    }
    return result;
  }

  Session session(const std::string& policy, bool dense_attention = false) const {
    SessionOptions session_settings = session_options(options_.common);
    session_settings.pruning.policy = policy;
    if (dense_attention) session_settings.pruning.attention.reset();
    return Session(model_, session_settings);
  }

  static GenerationOptions greedy(int64_t count) {
    GenerationOptions options;
    options.sampling.temperature = 0.0f;
    options.max_tokens = count;
    options.ignore_eos = true;
    return options;
  }

  void say(const std::string& test, int done, int repetitions) {
    progress_.show("bench", static_cast<double>(done) / repetitions,
                   fmt::format("{} {}", info_.name, test));
  }

  BenchRow row(const std::string& test, const Statistics& statistics) const {
    BenchRow row;
    row.model = info_;
    row.machine = machine_;
    row.test = test;
    row.policy = statistics.policy;
    if (statistics.attention != "dense") row.policy += " " + statistics.attention;
    row.schedule = statistics.schedule;
    row.computed_fraction = row.computed_fraction_end = statistics.computed_fraction;
    return row;
  }

  /// Calls body() once to warm up and then as often as asked for; gives the times.
  template <typename Body>
  std::vector<double> repeat(const std::string& test, const Body& body) {
    std::vector<double> times;
    for (int repetition = first_repetition(); repetition < options_.repetitions; ++repetition) {
      say(test, std::max(repetition, 0), options_.repetitions);
      const double milliseconds = body();
      if (repetition >= 0) times.push_back(milliseconds);
    }
    progress_.clear();
    return times;
  }

  static std::vector<double> rates(int64_t count, const std::vector<double>& times) {
    std::vector<double> result;
    for (const double ms : times) result.push_back(1e3 * static_cast<double>(count) / ms);
    return result;
  }

  static std::string at_depth(int64_t depth) {
    return depth == 0 ? "" : fmt::format("@d{}", depth);
  }

  std::vector<int64_t> all_layers(int64_t count) const {
    return std::vector<int64_t>(static_cast<size_t>(info_.layers), count);
  }

  /// Time at the limits of the machine for `count` tokens behind `depth`.
  std::optional<double> shortest_prompt_ms(int64_t count, int64_t depth, double share) const {
    PrefillWork work = model_->prefill_work(all_layers(count));
    if (depth > 0) {
      // The pairs of all tokens less those among the ones before.
      work.attention = model_->prefill_work(all_layers(depth + count)).attention -
                       model_->prefill_work(all_layers(depth)).attention;
    }
    work.attention *= share;
    const double ms = work.shortest_ms(machine_);
    return ms > 0.0 ? std::optional(ms) : std::nullopt;
  }

  void finish_row(BenchRow row, int64_t count, const std::vector<double>& times,
                  std::optional<double> shortest) {
    row.milliseconds = measured(times);
    row.tokens_per_second = measured(rates(count, times));
    if (shortest) row.share_of_roofline = *shortest / row.milliseconds.mean;
    rows_.push_back(std::move(row));
  }

  void measure_prompt(int64_t count, int64_t depth) {
    Session dense = session("dense");
    const auto all = tokens(depth + count);
    if (depth > 0) dense.generate(std::span(all).first(static_cast<size_t>(depth)), greedy(0));
    const std::string test = fmt::format("pp{}", count) + at_depth(depth);
    const auto times = repeat(test, [&] {
      dense.truncate(depth);
      dense.generate(all, greedy(1));
      return dense.statistics().ttft_ms;
    });
    finish_row(row(test, dense.statistics()), count, times,
               shortest_prompt_ms(count, depth, dense.statistics().attention_share));
  }

  void measure_generation(int64_t count, int64_t depth) {
    Session dense = session("dense");
    const auto all = tokens(depth + 1);
    if (depth > 0) dense.generate(std::span(all).first(static_cast<size_t>(depth)), greedy(0));
    const std::string test = fmt::format("tg{}", count) + at_depth(depth);
    const auto times = repeat(test, [&] {
      dense.truncate(depth);
      dense.generate(all, greedy(count));
      return dense.statistics().total_ms;
    });
    finish_row(row(test, dense.statistics()), count, times, shortest_generation_ms(count, depth));
  }

  /// Every weight and every key and value held is read once per token.
  std::optional<double> shortest_generation_ms(int64_t count, int64_t depth) const {
    if (machine_.read_gigabytes <= 0.0) return std::nullopt;
    const SessionOptions types = session_options(options_.common);
    const double kv = static_cast<double>(depth) * static_cast<double>(info_.kv_bytes_per_token(
                                                       types.cache_type_k, types.cache_type_v));
    return 1e-6 * static_cast<double>(count) * (static_cast<double>(info_.weight_bytes) + kv) /
           machine_.read_gigabytes;
  }

  /// Dense and lazy by turns, so that a change of the machine's mood meets both.
  void measure_lazy(const std::string& policy, int64_t count) {
    const int64_t further = options_.generated.empty() ? 0 : options_.generated.front();
    const auto prompt = tokens(count);
    std::vector<double> ttft[2], tpot[2], total[2];
    Statistics last[2];
    double linear_ms = 0.0, attention_ms = 0.0;
    const std::string test = fmt::format("ttft{}", count);
    for (int repetition = first_repetition(); repetition < options_.repetitions; ++repetition) {
      for (const int lazy : {0, 1}) {
        say(fmt::format("{} {}", test, lazy == 1 ? policy : "dense"), std::max(repetition, 0),
            options_.repetitions);
        Session one = session(lazy == 1 ? policy : "dense", lazy == 0);
        one.generate(prompt, greedy(1 + further));
        const Statistics& s = last[lazy] = one.statistics();
        if (repetition < 0) continue;
        ttft[lazy].push_back(s.ttft_ms);
        tpot[lazy].push_back(s.tpot_ms);
        total[lazy].push_back(s.total_ms);
        if (lazy == 0) {
          linear_ms += s.linear_ms / options_.repetitions;
          attention_ms += s.attention_ms / options_.repetitions;
        }
      }
    }
    progress_.clear();

    const double dense_ttft = measured(ttft[0]).mean;
    const PrefillWork dense_work = model_->prefill_work(last[0].kept_per_layer);
    const bool edits = static_cast<int64_t>(last[1].kept_per_layer.front()) !=
                       count;  // compress and gem work before
    PrefillWork work = model_->prefill_work(last[1].kept_per_layer);
    work.attention *= last[1].attention_share;
    const double promised_ms = dense_ttft - linear_ms - attention_ms +
                               linear_ms * work.linear() / dense_work.linear() +
                               attention_ms * work.attention / dense_work.attention;
    for (const int lazy : {0, 1}) {
      BenchRow first = row(test, last[lazy]);
      const double shortest = (lazy == 1 ? work : dense_work).shortest_ms(machine_);
      if (lazy == 1) {
        first.speedup = dense_ttft / measured(ttft[1]).mean;
        if (!edits) first.cost_model_speedup = dense_ttft / promised_ms;
        first.overhead = last[1].pruning_ms / last[1].ttft_ms;
      }
      finish_row(first, count, ttft[lazy],
                 shortest > 0.0 && !(lazy == 1 && edits) ? std::optional(shortest) : std::nullopt);
    }
    if (further == 0) return;
    const auto after_prompt = [&](const char* name, int64_t tokens,
                                  const std::vector<double>(&times)[2]) {
      for (const int lazy : {0, 1}) {
        BenchRow next = row(fmt::format("{}{}@d{}", name, further, count), last[lazy]);
        next.computed_fraction_end = last[lazy].computed_fraction_end;
        if (lazy == 1) next.speedup = measured(times[0]).mean / measured(times[1]).mean;
        finish_row(next, tokens, times[lazy], std::nullopt);
      }
    };
    after_prompt("tpot", 1, tpot);
    after_prompt("total", count + further, total);
  }

  const BenchOptions& options_;
  std::shared_ptr<const Model> model_;
  ModelInfo info_;
  MachineLimits machine_;
  std::vector<BenchRow>& rows_;
  ProgressLine progress_;
};

void bench(const BenchOptions& options) {
  for (const std::string& policy : options.policies) require_known_policy(policy);
  std::vector<BenchRow> rows;
  const MachineLimits machine = measure_machine_limits(options.common.isa, options.common.threads);
  for (const std::string& path : options.models) {
    CommonOptions one = options.common;
    one.model = path;
    Bench(options, load_model(one), machine, rows).run();
  }
  write_out(format_rows(rows, options.output));
}

}  // namespace

void add_bench_command(CLI::App& app) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App* command =
      app.add_subcommand("bench", "measure speed, and its share of what the machine can do");
  command->add_option("-m,--model", options->models, "model files or folders")
      ->required()
      ->delimiter(',');
  command->add_option("-p,--n-prompt", options->prompts, "prompt lengths")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("-n,--n-gen", options->generated, "numbers of tokens to generate")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("-d,--n-depth", options->depths, "tokens already held")
      ->delimiter(',')
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("-r,--repetitions", options->repetitions, "times each test is run")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("-o,--output", options->output, "md, json or csv")
      ->check(CLI::IsMember({"md", "json", "csv"}))
      ->capture_default_str();
  command
      ->add_option("--policy", options->policies,
                   "also the time to first token with these policies, beside dense")
      ->delimiter(',');
  command->add_flag("--lazy-only", options->lazy_only,
                    "only the policies beside dense, not the dense pp and tg tests");
  command->add_flag("--no-warmup", options->no_warmup, "count the first run of each test too");
  CommonOptions& common = options->common;
  add_machine_flags(*command, common);
  add_cache_type_flags(*command, common);
  add_schedule_flags(*command, common);
  command->footer(
      "Examples:\n"
      "  lazyllm bench -m model.gguf -p 512,4096 -n 16 -d 0,4096\n"
      "  lazyllm bench -m model.gguf -p 4096 --policy lazy --prune 19:0.1 -o json\n"
      "  lazyllm bench -m model.gguf -p 2500 -n 512 --policy lazy --revive-budget all --lazy-only");
  command->callback([options] { bench(*options); });
}

}  // namespace lazyllm::cli
