// SPDX-License-Identifier: Apache-2.0
// Finds the settings of policy lazy that are fastest for a model at a bounded loss, without any
// training, and writes them as a profile. Other policies can be tuned the same way, so that they
// are compared at their best.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "commands.h"
#include "common_options.h"
#include "eval_arms.h"
#include "lazyllm/tuning.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

struct Options {
  CommonOptions common;
  tuning::TunePromptOptions data;
  std::string policy = "lazy", max_loss = "1%", target = "ttft", out;
  std::vector<std::string> only;
  double min_speedup = 1.3, time_limit_minutes = 0.0;
};

/// "1%" or "0.01"
double parse_loss(const std::string& text) {
  size_t end = 0;
  double loss = -1.0;
  try {
    loss = std::stod(text, &end);
  } catch (const std::exception&) {
  }
  if (end + 1 == text.size() && text[end] == '%') {
    loss /= 100.0;
    ++end;
  }
  if (end != text.size() || !(loss > 0.0 && loss <= 0.125)) {
    throw Error(ErrorCode::usage,
                fmt::format("--max-loss {}: write a share above 0 and at most 12.5%", text));
  }
  return loss;
}

/// The settings of --only. Errors: Error(usage).
std::vector<PruningOptions> parse_only(const Options& options) {
  std::vector<PruningOptions> settings;
  for (const std::string& text : options.only) {
    const evaluation::Arm arm = parse_arm("--only", text, options.common);
    const PruningOptions& pruning = arm.session.pruning;
    if (pruning.policy != options.policy || pruning.prune.find(':') == std::string::npos) {
      throw Error(ErrorCode::usage,
                  fmt::format("--only {}: write settings of policy {} with a schedule, such as "
                              "{}@15:0.3+score-pool=7",
                              text, options.policy, options.policy));
    }
    settings.push_back(pruning);
  }
  return settings;
}

void tune(const Options& options) {
  tuning::TuneOptions tuning_options;
  tuning_options.max_loss = parse_loss(options.max_loss);
  if (std::filesystem::is_directory(options.out)) {
    throw Error(ErrorCode::usage,
                fmt::format("--out {}: this is a folder; name the profile to write", options.out));
  }
  tuning_options.only = parse_only(options);
  tuning_options.state = options.out + ".state";
  tuning_options.session = session_options(options.common);
  tuning_options.data = options.data;
  tuning_options.policy = options.policy;
  tuning_options.min_speedup = options.min_speedup;
  tuning_options.time_limit_minutes = options.time_limit_minutes;
  const std::shared_ptr<const Model> model = load_model(options.common);

  ProgressLine line(ProgressLine::Elsewhere::kEachMinute);
  const double limit = options.time_limit_minutes;
  const auto show = [&](const tuning::TuneProgress& progress) {
    const double share = limit > 0.0 ? progress.minutes / limit : 0.0;
    line.show(
        "tune", std::min(share, 1.0),
        fmt::format("{:.0f} min, {} trials, {}", progress.minutes, progress.trials, progress.what));
  };
  const tuning::TuneResult result = tuning::tune(model, tuning_options, show);
  line.clear();
  if (result.profile) write_profile(*result.profile, options.out);
  write_out(result.report + (result.profile ? fmt::format("\nwritten to {}\n", options.out) : ""));
}

}  // namespace

void add_tune_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("tune", "find the fastest pruning of a model at a bounded loss");
  add_model_flags(*command, options->common);
  add_cache_type_flags(*command, options->common);
  command
      ->add_option("--data", options->data.data,
                   "texts (a file or a folder of .txt), a .jsonl file with \"prompt\" and "
                   "\"answer\", or a LongBench folder; may be repeated")
      ->required();
  command->add_option("--records", options->data.records, "line numbers of jsonl files to use")
      ->check(CLI::IsMember({"all", "even", "odd"}))
      ->capture_default_str();
  command->add_option("--limit", options->data.limit, "records of each task; 0: all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--length", options->data.tokens, "most tokens of a prompt; some are shorter")
      ->check(CLI::Range(64, 1 << 20))
      ->capture_default_str();
  command->add_option("--needles", options->data.needles, "needles to hide in the texts; dozens")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--windows", options->data.windows, "windows of the texts to go on from")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--seed", options->data.seed, "of the needles")->capture_default_str();
  command->add_flag("--no-chat", options->data.no_chat,
                    "bare text instead of the model's chat template");
  command
      ->add_option("--policy", options->policy,
                   "what is tuned; tsp and static to compare with: no profile is written of them")
      ->check(CLI::IsMember({"lazy", "tsp", "static"}))
      ->capture_default_str();
  command->add_option("--only", options->only,
                      "measure these settings instead of searching, written as for eval --policy; "
                      "may be repeated");
  command->add_option("--max-loss", options->max_loss, "bound of the loss, e.g. 1%")
      ->capture_default_str();
  command->add_option("--min-speedup", options->min_speedup, "least gain that is worth the loss")
      ->check(CLI::Range(1.0, 100.0))
      ->capture_default_str();
  command->add_option("--target", options->target, "what is made small")
      ->check(CLI::IsMember({"ttft"}))
      ->capture_default_str();
  command->add_option("--time-limit", options->time_limit_minutes, "minutes of the search; 0: none")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command
      ->add_option(
          "--out", options->out,
          "profile to write (of policy lazy alone); OUT.state beside it lets an interrupted run "
          "go on")
      ->required();
  command->footer(
      "Example:\n"
      "  lazyllm tune -m model.gguf --data book.txt --data questions.jsonl --out "
      "model.gguf.profile.json");
  command->callback([options] { tune(*options); });
}

}  // namespace lazyllm::cli
