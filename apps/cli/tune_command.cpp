// SPDX-License-Identifier: Apache-2.0
// Finds the settings of policy lazy that are fastest for a model at a bounded loss, without any
// training, and writes them as a profile. Other policies can be tuned the same way, so that they
// are compared at their best.
#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "commands.h"
#include "common_options.h"
#include "eval_arms.h"
#include "terminal.h"
#include "tune_search.h"

namespace lazyllm::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct TuneOptions {
  CommonOptions common;
  TunePromptOptions data;
  std::string policy = "lazy", max_loss = "1%", target = "ttft", out;
  std::vector<std::string> only;
  double time_limit_minutes = 0.0;
};

constexpr double kLeastSpeedup = 1.3;  // a profile below it is not worth its loss

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
std::vector<PruningOptions> parse_only(const TuneOptions& options) {
  std::vector<PruningOptions> settings;
  for (const std::string& text : options.only) {
    const EvalArm arm = parse_arm("--only", text, options.common);
    if (arm.policy() != options.policy || arm.options.prune.find(':') == std::string::npos) {
      throw Error(ErrorCode::usage,
                  fmt::format("--only {}: write settings of policy {} with a schedule, such as "
                              "{}@15:0.3+score-pool=7",
                              text, options.policy, options.policy));
    }
    settings.push_back(session_options(arm.options).pruning);
  }
  return settings;
}

std::vector<bool> full_attention(const ModelInfo& info) {
  std::vector<bool> full(static_cast<size_t>(info.layers), true);
  for (size_t layer = 0; layer < info.sliding_windows.size(); ++layer) {
    full[layer] = info.sliding_windows[layer] == 0;
  }
  return full;
}

std::string row(const PruningOptions& pruning, const TuneLoss& loss, const TuneBound& bound) {
  return fmt::format("| {} | {:.2f}x | {:.4f} | {:.1f} % | {:+.4f} ± {:.4f} | {}/{} | {} | {} |\n",
                     describe(pruning), 1.0 / loss.work, loss.kl, 100.0 * loss.same_top,
                     loss.loglik, loss.loglik_error, loss.found, loss.needles, loss.prompts,
                     bound.holds(loss) ? "yes" : "no: " + bound.broken_by(loss));
}

constexpr const char* kTableHead =
    "| candidate | predicted TTFT | KL | same top | answer log-likelihood | needles | prompts | "
    "within the bound |\n|---|---:|---:|---:|---:|---:|---:|---|\n";

std::string table(const std::vector<TuneCandidate>& candidates, const std::string& which,
                  const TuneBound& bound) {
  std::string text = fmt::format(
      "On the calibration prompts, {} (the bound: KL {:.3f}, same top {:.1f} %, answer "
      "log-likelihood {:+.3f}, needles {:.0f} %):\n\n",
      which, bound.most_kl(), 100.0 * bound.least_same_top(), bound.least_loglik(),
      100.0 * bound.least_recall());
  text += kTableHead;
  for (const TuneCandidate& candidate : candidates) {
    text += row(candidate.pruning, candidate.loss, bound);
  }
  return text;
}

std::string describe_data(const std::vector<TunePrompt>& prompts) {
  int64_t needles = 0, windows = 0, records = 0;
  for (const TunePrompt& prompt : prompts) {
    if (!prompt.held_out) continue;
    needles += prompt.kind == TuneKind::needle ? 1 : 0;
    windows += prompt.kind == TuneKind::text ? 1 : 0;
    records += prompt.kind == TuneKind::record ? 1 : 0;
  }
  return fmt::format("held out of tuning: {} needles, {} windows of text, {} records", needles,
                     windows, records);
}

Profile make_profile(const Model& model, const TuneSearch::Choice& choice,
                     const std::vector<TunePrompt>& prompts, double max_loss) {
  Profile profile;
  profile.fingerprint = model_fingerprint(model);
  const ModelInfo info = model.info();
  profile.model = info.name.empty() ? info.architecture : info.name;
  profile.created_by = fmt::format("lazyllm {}", version());
  profile.pruning = choice.candidate.pruning;
  int64_t tokens = 0, count = 0;
  for (const TunePrompt& prompt : prompts) {
    if (!prompt.held_out) continue;
    tokens += std::ssize(prompt.prompt);
    ++count;
  }
  // Shorter prompts than the tuning looked at have little to gain and more to lose.
  profile.pruning.min_prompt = tokens / std::max<int64_t>(count, 1) / 4;
  const TuneLoss& loss = choice.held_out;
  profile.measured = {describe_data(prompts),
                      loss.prompts,
                      tokens / std::max<int64_t>(count, 1),
                      1.0 / loss.work,
                      loss.kl,
                      loss.same_top,
                      loss.loglik,
                      loss.recall(),
                      loss.needles,
                      max_loss};
  return profile;
}

void tune(const TuneOptions& options) {
  const TuneBound bound(parse_loss(options.max_loss));
  if (std::filesystem::is_directory(options.out)) {
    throw Error(ErrorCode::usage,
                fmt::format("--out {}: this is a folder; name the profile to write", options.out));
  }
  const std::vector<PruningOptions> only = parse_only(options);
  const std::filesystem::path state = options.out + ".state";
  const SessionOptions session = session_options(options.common);
  const std::shared_ptr<const Model> model = load_model(options.common);
  const std::vector<TunePrompt> prompts = make_tune_prompts(options.data, model);
  TuneTrials trials(model, session, prompts, state);

  ProgressLine line;
  const Clock::time_point start = Clock::now();
  const auto minutes = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count() / 60.0;
  };
  TuneSearch::Options search_options;
  search_options.policy = options.policy;
  search_options.only = only;
  search_options.max_loss = bound.max_loss;
  search_options.most_work = 1.0 / kLeastSpeedup;
  search_options.full_attention = full_attention(model->info());
  search_options.look = [&](HeadCalibration& heads, const TunePrompt& prompt) {
    heads.add(*model, prompt);
  };
  search_options.out_of_time = [&] {
    return options.time_limit_minutes > 0.0 && minutes() > options.time_limit_minutes;
  };
  search_options.progress = [&](const std::string& what) {
    const double share =
        options.time_limit_minutes > 0.0 ? minutes() / options.time_limit_minutes : 0.0;
    line.show("tune", std::min(share, 1.0),
              fmt::format("{:.0f} min, {} trials, {}", minutes(), trials.trials(), what));
  };
  TuneSearch search(trials, search_options);
  search.run();
  const std::optional<TuneSearch::Choice> choice = search.choose();
  line.clear();

  std::string out =
      only.empty() ? table(search.frontier(), "none of them beaten in both speed and KL", bound)
                   : table(search.measured(), "as given", bound);
  if (!search.refusals().empty()) out += "\nOutside of the bound on the held-out prompts:\n\n";
  for (const std::string& refusal : search.refusals()) out += "- " + refusal + "\n";
  if (!choice) {
    write_out(out + fmt::format("\nnone found: no candidate is {}x as fast as dense within the "
                                "bound on the held-out prompts too; nothing was written\n",
                                kLeastSpeedup));
    if (only.empty() && search_options.out_of_time()) {
      write_out(
          fmt::format("the search stopped after --time-limit, {:g} minutes; run it again and "
                      "it goes on there\n",
                      options.time_limit_minutes));
    }
    return;
  }
  out += "\nChosen, on the held-out prompts:\n\n" + std::string(kTableHead) +
         row(choice->candidate.pruning, choice->held_out, bound);
  if (choice->held_out.needles == 0) {
    out += "\nThe dense model finds no needle of the held-out prompts: nothing is known of them.\n";
  }
  if (options.policy == "lazy") {
    write_profile(make_profile(*model, *choice, prompts, bound.max_loss), options.out);
    write_out(out + fmt::format("\nwritten to {}\n", options.out));
  } else {
    write_out(out + "\nno profile was written: they are of policy lazy\n");
  }
}

}  // namespace

void add_tune_command(CLI::App& app) {
  auto options = std::make_shared<TuneOptions>();
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
