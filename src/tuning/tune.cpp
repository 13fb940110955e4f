// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "lazyllm/tuning.h"
#include "lazyllm/version.h"
#include "tuning/search.h"

namespace lazyllm::tuning {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<bool> full_attention(const ModelInfo& info) {
  std::vector<bool> full(static_cast<size_t>(info.kv_layers), true);
  for (size_t layer = 0; layer < full.size(); ++layer) {
    full[layer] = info.sliding_windows[layer] == 0 && info.convolutions[layer] == 0;
  }
  return full;
}

std::string row(const PruningOptions& pruning, const TuneLoss& loss, const TuneBound& bound) {
  return fmt::format("| {} | {:.2f}x | {:.4f} | {:.1f} % | {:+.4f} ± {:.4f} | {}/{} | {} | {} |\n",
                     evaluation::describe(pruning), 1.0 / loss.work, loss.kl, 100.0 * loss.same_top,
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

}  // namespace

TuneResult tune(std::shared_ptr<const Model> model, const TuneOptions& options,
                const std::function<void(const TuneProgress&)>& on_progress) {
  const TuneBound bound(options.max_loss);
  const std::vector<TunePrompt> prompts = make_tune_prompts(options.data, model);
  TuneTrials trials(model, options.session, prompts, options.state);
  const Clock::time_point start = Clock::now();
  const auto minutes = [&] {
    return std::chrono::duration<double>(Clock::now() - start).count() / 60.0;
  };
  TuneSearch::Options search_options;
  search_options.policy = options.policy;
  search_options.only = options.only;
  search_options.max_loss = bound.max_loss;
  search_options.most_work = 1.0 / options.min_speedup;
  search_options.full_attention = full_attention(model->info());
  search_options.look = [&](HeadCalibration& heads, const TunePrompt& prompt) {
    heads.add(*model, prompt);
  };
  search_options.out_of_time = [&] {
    return options.time_limit_minutes > 0.0 && minutes() > options.time_limit_minutes;
  };
  search_options.progress = [&](const std::string& what) {
    on_progress({what, minutes(), trials.trials()});
  };
  TuneSearch search(trials, search_options);
  search.run();
  const std::optional<TuneSearch::Choice> choice = search.choose();

  TuneResult result;
  result.found = choice.has_value();
  std::string& out = result.report;
  out = options.only.empty()
            ? table(search.frontier(), "none of them beaten in both speed and KL", bound)
            : table(search.measured(), "as given", bound);
  if (!search.refusals().empty()) out += "\nOutside of the bound on the held-out prompts:\n\n";
  for (const std::string& refusal : search.refusals()) out += fmt::format("- {}\n", refusal);
  if (!choice) {
    out += fmt::format(
        "\nnone found: no candidate is {}x as fast as dense within the bound on the held-out "
        "prompts too; nothing was written\n",
        options.min_speedup);
    if (options.only.empty() && search_options.out_of_time()) {
      out += fmt::format(
          "the search stopped after --time-limit, {:g} minutes; run it again and it goes on "
          "there\n",
          options.time_limit_minutes);
    }
    return result;
  }
  out.append("\nChosen, on the held-out prompts:\n\n").append(kTableHead);
  out.append(row(choice->candidate.pruning, choice->held_out, bound));
  if (choice->held_out.needles == 0) {
    out += "\nThe dense model finds no needle of the held-out prompts: nothing is known of them.\n";
  }
  if (options.policy == "lazy") {
    result.profile = make_profile(*model, *choice, prompts, bound.max_loss);
  } else {
    out += "\nno profile was written: they are of policy lazy\n";
  }
  return result;
}

}  // namespace lazyllm::tuning
