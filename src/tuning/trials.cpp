// SPDX-License-Identifier: Apache-2.0
#include "tuning/trials.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>

#include "lazyllm/evaluation/divergence.h"

namespace lazyllm::tuning {
namespace {

using Json = evaluation::Samples::Json;

/// Nats per token by which one answer counts at most, to either side: where the model guesses, one
/// label among fifty can be worth more than all other prompts together.
constexpr double kMostLoglik = 0.5;

TokenId most_likely(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Keys and values that a look ahead makes: for each layer, of how many tokens.
std::vector<int64_t> looked_at(const PruningOptions& candidate, const std::vector<int64_t>& kept) {
  std::vector<int64_t> tokens(kept.size(), 0);
  const std::string score = candidate.score.value_or("last");
  if (!score.starts_with("ahead")) return tokens;
  const size_t reach = score == "ahead" ? kept.size() : std::stoul(score.substr(6));
  for (size_t begin = 0; begin < candidate.prune.size();) {
    const auto cut = std::stoul(candidate.prune.substr(begin));  // "12:0.5,..." starts with 12
    for (size_t layer = cut; layer < std::min(kept.size(), cut + reach); ++layer) {
      tokens[layer] += kept[cut - 1];
    }
    const size_t comma = candidate.prune.find(',', begin);
    begin = comma == std::string::npos ? candidate.prune.size() : comma + 1;
  }
  return tokens;
}

}  // namespace

TuneTrials::TuneTrials(std::shared_ptr<const Model> model, const SessionOptions& session,
                       const std::vector<TunePrompt>& prompts, const std::filesystem::path& state)
    : model_(std::move(model)), session_(session), prompts_(prompts), done_(state) {
  const ModelInfo info = model_->info();
  made_for_ = fmt::format("6|{}|{}|{}|{}|{}|{}", version(), info.isa, model_fingerprint(*model_),
                          info.file_bytes, static_cast<int>(session.cache_type_k),
                          static_cast<int>(session.cache_type_v));
  for (const TunePrompt& prompt : prompts_) {
    std::string tokens =
        fmt::format("{} | {}", fmt::join(prompt.prompt, " "), fmt::join(prompt.answer, " "));
    for (const TokenRange& range : prompt.protected_ranges) {
      tokens += fmt::format(" {}-{}", range.begin, range.end);
    }
    prompt_keys_.push_back(fmt::format("{:016x}", std::hash<std::string>()(tokens)));
  }
}

std::string TuneTrials::key(const PruningOptions& candidate, size_t prompt) const {
  return fmt::format("{}|{}|{}", made_for_, evaluation::describe(candidate), prompt_keys_[prompt]);
}

const Json* TuneTrials::known(const PruningOptions& candidate, size_t prompt) const {
  return done_.find(key(candidate, prompt), [](const JsonObject& line) {
    for (const char* name : {"kl", "same_top", "loglik", "work"}) {
      line.require(line.real(name), name);
    }
    for (const char* name : {"dense_finds", "lazy_finds"}) line.require(line.boolean(name), name);
  });
}

double TuneTrials::predicted_work(const PruningOptions& candidate, int64_t prompt_tokens,
                                  const PruningTrial::Outcome& dense,
                                  const PruningTrial::Outcome& lazy) const {
  const std::vector<int64_t> all(lazy.kept_per_layer.size(), prompt_tokens);
  const PrefillWork whole = model_->prefill_work(all);
  const PrefillWork part =
      model_->prefill_work(lazy.kept_per_layer, looked_at(candidate, lazy.kept_per_layer));
  const double linear = dense.linear_ms * part.linear() / whole.linear();
  const double attention = dense.attention_ms * part.attention / whole.attention;
  return (linear + attention + dense.head_ms) /
         (dense.linear_ms + dense.attention_ms + dense.head_ms);
}

Json TuneTrials::run_one(const PruningOptions& candidate, size_t index, PruningTrial& trial) {
  const TunePrompt& prompt = prompts_[index];
  const PruningTrial::Outcome& dense = trial.dense();
  const PruningTrial::Outcome lazy = trial.run(candidate);
  double kl = 0.0, loglik = 0.0;
  int64_t same = 0;
  bool dense_finds = true, lazy_finds = true;
  for (size_t i = 0; i < trial.own_answer().size(); ++i) {
    const evaluation::Divergence d =
        evaluation::compare_logits(dense.own_logits[i], lazy.own_logits[i]);
    kl += d.kl;
    same += d.same_top ? 1 : 0;
  }
  for (size_t i = 0; i < prompt.answer.size(); ++i) {
    const TokenId token = prompt.answer[i];
    const evaluation::Divergence d =
        evaluation::compare_logits(dense.logits[i], lazy.logits[i], token);
    loglik += d.nll_dense - d.nll_other;
    dense_finds = dense_finds && most_likely(dense.logits[i]) == token;
    lazy_finds = lazy_finds && most_likely(lazy.logits[i]) == token;
  }
  ++trials_;
  const auto own_tokens = static_cast<double>(trial.own_answer().size());
  return {{"key", key(candidate, index)},
          {"candidate", evaluation::describe(candidate)},
          {"prompt", prompt.name},
          {"kind", to_string(prompt.kind)},
          {"kl", kl / own_tokens},
          {"same_top", static_cast<double>(same) / own_tokens},
          {"loglik", loglik / static_cast<double>(prompt.answer.size())},
          {"dense_finds", dense_finds},
          {"lazy_finds", lazy_finds},
          {"work", predicted_work(candidate, std::ssize(prompt.prompt), dense, lazy)}};
}

void TuneTrials::run(std::span<const PruningOptions> candidates, std::span<const size_t> prompts,
                     const Progress& progress) {
  std::set<int> depths;
  for (const PruningOptions& candidate : candidates) depths.insert(std::stoi(candidate.prune));
  const std::vector<int> first_cuts(depths.begin(), depths.end());
  for (size_t i = 0; i < prompts.size(); ++i) {
    const TunePrompt& prompt = prompts_[prompts[i]];
    std::optional<PruningTrial> trial;  // the dense run is made when a candidate first needs it
    for (const PruningOptions& candidate : candidates) {
      if (known(candidate, prompts[i]) != nullptr) continue;
      if (progress(i, prompts.size())) return;
      if (!trial) {
        trial.emplace(model_, session_, prompt.prompt, prompt.answer, first_cuts,
                      PruningTrial::kOwnTokens, prompt.protected_ranges);
      }
      done_.add(run_one(candidate, prompts[i], *trial));
    }
  }
}

std::string TuneTrials::key_of_found(const std::string& name,
                                     std::span<const size_t> prompts) const {
  std::string key = fmt::format("{}|{}", made_for_, name);
  for (const size_t prompt : prompts) key += "|" + prompt_keys_[prompt];
  return key;
}

std::optional<std::string> TuneTrials::found(const std::string& name,
                                             std::span<const size_t> prompts) const {
  const Json* line = done_.find(key_of_found(name, prompts), [](const JsonObject& object) {
    object.require(object.text("found"), "found");
  });
  if (line == nullptr) return std::nullopt;
  return line->at("found").get<std::string>();
}

void TuneTrials::keep_found(const std::string& name, std::span<const size_t> prompts,
                            const std::string& text) {
  done_.add({{"key", key_of_found(name, prompts)}, {"name", name}, {"found", text}});
}

TuneLoss TuneTrials::loss(const PruningOptions& candidate, std::span<const size_t> prompts) const {
  TuneLoss sum;
  double squares = 0.0;
  int64_t needles = 0;
  for (const size_t index : prompts) {
    const Json* trial = known(candidate, index);
    if (trial == nullptr) continue;
    const double loglik = std::clamp(trial->at("loglik").get<double>(), -kMostLoglik, kMostLoglik);
    ++sum.prompts;
    sum.kl += trial->at("kl").get<double>();
    sum.same_top += trial->at("same_top").get<double>();
    sum.loglik += loglik;
    squares += loglik * loglik;
    sum.work += trial->at("work").get<double>();
    if (prompts_[index].kind != TuneKind::needle) continue;
    ++needles;
    sum.needle_loglik += loglik;
    if (trial->at("dense_finds").get<bool>()) {
      ++sum.needles;
      sum.found += trial->at("lazy_finds").get<bool>() ? 1 : 0;
    }
  }
  const auto count = static_cast<double>(std::max<int64_t>(sum.prompts, 1));
  for (double* mean : {&sum.kl, &sum.same_top, &sum.loglik, &sum.work}) *mean /= count;
  sum.needle_loglik /= static_cast<double>(std::max<int64_t>(needles, 1));
  const double variance = std::max(0.0, squares / count - sum.loglik * sum.loglik);
  sum.loglik_error = std::sqrt(variance / std::max(count - 1.0, 1.0));
  return sum;
}

}  // namespace lazyllm::tuning
