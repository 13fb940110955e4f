// SPDX-License-Identifier: Apache-2.0
// Runs a suite of long prompts densely and with each policy asked for, scores the answers, and
// keeps every sample.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include "commands.h"
#include "eval_arms.h"
#include "eval_progress.h"
#include "eval_suites.h"
#include "lazyllm/evaluation/evaluate.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

constexpr int64_t kMostParts = 1'000'000;

/// "2/5" is the second of five. Errors: Error(usage); an empty text is one, too, since it is what a
/// variable of a shell that was not set leaves.
evaluation::Part parse_part(const std::optional<std::string>& text) {
  if (!text) return {};
  evaluation::Part part;
  const char* const end = text->data() + text->size();
  const auto [slash, bad_number] = std::from_chars(text->data(), end, part.index);
  bool whole = bad_number == std::errc() && slash != end && *slash == '/';
  if (whole) {
    const auto [rest, bad_count] = std::from_chars(slash + 1, end, part.count);
    whole = bad_count == std::errc() && rest == end && part.count <= kMostParts;
  }
  if (!whole || part.index < 1 || part.index > part.count) {
    throw Error(ErrorCode::usage,
                fmt::format("--part '{}': write NUMBER/COUNT, such as 1/4 for the first of four "
                            "parts",
                            *text));
  }
  --part.index;
  return part;
}

/// Runs an evaluation under a line of progress, then prints its tables.
void print_results(const std::function<std::string(const evaluation::OnProgress&)>& evaluate) {
  EvalProgress progress;
  const std::string tables = evaluate([&](const evaluation::Progress& now) { progress.show(now); });
  progress.clear();
  write_out(tables);
}

void evaluate_text_suite(const EvalOptions& options) {
  const evaluation::Part part = parse_part(options.part);
  std::vector<evaluation::Arm> arms = parse_arms(options);
  std::vector<evaluation::NamedText> texts = evaluation::read_texts("--data", options.data);
  if (!options.tasks.empty()) {
    for (const std::string& name : options.tasks) {
      const auto named = [&](const evaluation::NamedText& text) { return text.name == name; };
      if (std::none_of(texts.begin(), texts.end(), named)) {
        throw Error(ErrorCode::usage,
                    fmt::format("text {}: {} holds no {}.txt", name, options.data, name));
      }
    }
    std::erase_if(texts, [&](const evaluation::NamedText& text) {
      return std::find(options.tasks.begin(), options.tasks.end(), text.name) ==
             options.tasks.end();
    });
  }
  const std::shared_ptr<evaluation::Samples> samples = evaluation::open_samples(options.out);
  const std::shared_ptr<const Model> model = load_model(options.common);
  prepare_arms(arms, model);
  const evaluation::TextOptions text{options.limit, options.max_length, options.continuation};
  print_results([&](const evaluation::OnProgress& progress) {
    return evaluation::evaluate_texts(text, model, texts, arms, *samples, progress, part);
  });
}

/// Questions that need no model are read before it is loaded.
void evaluate_question_suite(const EvalOptions& options) {
  const evaluation::Part part = parse_part(options.part);
  std::vector<evaluation::Arm> arms = parse_arms(options);
  const std::shared_ptr<evaluation::Samples> samples = evaluation::open_samples(options.out);
  std::vector<evaluation::Task> tasks;
  if (options.suite == "longbench") tasks = longbench_tasks(options);
  const std::shared_ptr<const Model> model = load_model(options.common);
  prepare_arms(arms, model);
  const evaluation::PromptBuilder prompts(model, options.common.no_chat, options.max_length);
  if (options.suite == "ruler") tasks = ruler_tasks(options, prompts);
  if (options.suite == "needle") tasks = needle_tasks(options, prompts);
  print_results([&](const evaluation::OnProgress& progress) {
    return evaluation::evaluate_questions(options.suite, model, prompts, tasks, arms, *samples,
                                          progress, part);
  });
}

void evaluate(const EvalOptions& options) {
  if (options.suite == "text") {
    evaluate_text_suite(options);
  } else {
    evaluate_question_suite(options);
  }
}

void add_suite_flags(CLI::App& command, EvalOptions& options) {
  command
      .add_option("--suite", options.suite,
                  "longbench: its records, prompts and metrics; ruler: generated or read; needle: "
                  "facts hidden at chosen lengths and depths; text: perplexity and KL divergence")
      ->check(CLI::IsMember({"longbench", "ruler", "needle", "text"}))
      ->capture_default_str();
  command
      .add_option("--data", options.data,
                  "longbench: folder with its files; ruler: templates.json or jsonl, or a folder "
                  "with them; needle, text: text file or folder of texts")
      ->required();
  command.add_option("--tasks", options.tasks, "names of tasks (default: all)")->delimiter(',');
  command
      .add_option("--limit", options.limit,
                  "records of each task (0: all), generated samples (ruler, default 10), trials of "
                  "each cell (needle, 1), windows of each text (text, 4)")
      ->check(CLI::Range(0, 1 << 20))
      ->capture_default_str();
  command
      .add_option("--max-length", options.max_length,
                  "tokens: longbench cuts the middle out of longer prompts; ruler makes prompt and "
                  "answer that long (default 4096); text takes prompts that long (2048)")
      ->check(CLI::PositiveNumber);
  command
      .add_option("--lengths", options.lengths,
                  "needle: prompt tokens (default 1000,2000,4000, or --max-length)")
      ->delimiter(',')
      ->check(CLI::PositiveNumber);
  command
      .add_option("--depths", options.depths,
                  "needle: percent of the text before it (default 0,25,50,75,100)")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 100.0));
  command.add_option(
      "--haystack", options.haystack,
      "ruler: text or folder of texts in which needles are hidden (default: the texts "
      "beside templates.json)");
  command
      .add_option("--continuation", options.continuation,
                  "text: tokens behind each prompt that are scored")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  command.add_option(
      "--part", options.part,
      "NUMBER/COUNT: one of several parts of the questions, in order, and no tables; "
      "for several machines");
  command
      .add_option("--seed", options.common.seed,
                  "of generated questions (default: needle 0, ruler 42) and of policy random")
      ->check(CLI::NonNegativeNumber);
}

}  // namespace

void add_eval_command(CLI::App& app) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "answer and score a suite of long prompts, densely and pruned");
  add_model_flags(*command, options->common);
  add_suite_flags(*command, *options);
  command
      ->add_option("--out", options->out,
                   "folder for samples.jsonl; an interrupted run goes on there")
      ->required();
  command->add_option("--policy", options->policies,
                      "POLICY[@SCHEDULE][+FLAG=VALUE...]; FLAG: a pruning flag for this policy "
                      "alone; may be repeated. dense always runs beside them");
  CommonOptions& common = options->common;
  command->add_flag("--no-chat", common.no_chat, "bare text instead of the model's chat template");
  add_cache_type_flags(*command, common);
  add_schedule_flags(*command, common);
  add_profile_flag(*command, common);
  command->footer(
      "Examples:\n"
      "  lazyllm eval -m model.gguf --data LongBench/data --tasks trec,hotpotqa --limit 20 "
      "--max-length 3500 --policy lazy --policy lazy@15:0.3 --policy random@0:0.5 --out results\n"
      "  lazyllm eval -m model.gguf --suite ruler --data templates.json --haystack book.txt "
      "--max-length 4096 --policy lazy --out results\n"
      "  lazyllm eval -m model.gguf --suite needle --data book.txt --lengths 1000,3000 "
      "--policy lazy@15:0.3+score-pool=7 --policy lazy@15:0.3+score=window:32 --out results\n"
      "  lazyllm eval -m model.gguf --suite text --data book.txt --policy lazy --out results");
  command->callback([options] { evaluate(*options); });
}

}  // namespace lazyllm::cli
