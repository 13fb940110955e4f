// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "evaluation/samples.h"
#include "evaluation/tables.h"
#include "lazyllm/evaluation/divergence.h"
#include "lazyllm/evaluation/evaluate.h"
#include "lazyllm/lazyllm.h"

namespace lazyllm::evaluation {
namespace {

using Json = Samples::Json;

constexpr int64_t kPromptTokens = 2048, kWindows = 4;  // unless the user says otherwise

/// A stretch of a text: what goes through the prefill, and what is forced behind it.
struct Window {
  std::string id;
  std::vector<TokenId> prompt, continuation;
};

class TextEvaluation {
 public:
  TextEvaluation(const TextOptions& options, std::shared_ptr<const Model> model,
                 const std::vector<Arm>& arms, Samples& samples, const OnProgress& on_progress,
                 const Part& part)
      : model_(std::move(model)),
        info_(model_->info()),
        arms_(arms),
        samples_(samples),
        on_progress_(on_progress),
        part_(part),
        start_tokens_(model_->tokenize("")),
        windows_wanted_(options.windows > 0 ? options.windows : kWindows),
        continuation_(options.continuation),
        prompt_(options.prompt_tokens) {
    if (prompt_ == 0) {
      prompt_ = std::max<int64_t>(std::min(kPromptTokens, info_.context_length - continuation_), 1);
    }
    if (continuation_ >= info_.context_length || prompt_ > info_.context_length - continuation_) {
      throw Error(ErrorCode::usage,
                  fmt::format("--max-length {} and --continuation {} do not fit into the model's "
                              "context of {}; make one of them smaller",
                              prompt_, continuation_, info_.context_length));
    }
  }

  void plan(const std::vector<NamedText>& texts) {
    for (const NamedText& text : texts) texts_.push_back({text.name, windows_of(text)});
  }

  std::vector<TaskSamples> run() {
    int64_t all_windows = 0, mine = 0, number = 0;
    for (const auto& [name, windows] : texts_) all_windows += std::ssize(windows);
    for (int64_t i = 0; i < all_windows; ++i) mine += part_.has(i, all_windows) ? 1 : 0;
    Progress progress{"", 0, mine * std::ssize(arms_), 0};
    std::vector<TaskSamples> all;
    for (const auto& [name, windows] : texts_) {
      TaskSamples of_text{name, "same_top", std::vector<std::vector<Json>>(arms_.size())};
      for (const Window& window : windows) {
        if (!part_.has(number++, all_windows)) continue;
        dense_logits_.clear();
        for (size_t arm = 0; arm < arms_.size(); ++arm) {
          progress.task = name;
          on_progress_(progress);
          const std::string key = this->key(name, window, arms_[arm]);
          const Json* known = samples_.find(key, check_window_sample);
          of_text.arms[arm].push_back(known != nullptr ? *known
                                                       : sample(name, window, arms_[arm], key));
          ++progress.done;
          progress.computed += known == nullptr ? 1 : 0;
        }
      }
      all.push_back(std::move(of_text));
    }
    return all;
  }

 private:
  /// Evenly spread and not overlapping.
  std::vector<Window> windows_of(const NamedText& text) const {
    const std::vector<TokenId> tokens = model_->tokenize(text.text, /*add_special=*/false);
    const auto start_count = static_cast<int64_t>(start_tokens_.size());
    const int64_t length = prompt_ - start_count + continuation_;
    const auto size = static_cast<int64_t>(tokens.size());
    if (size < length || prompt_ <= start_count) {
      throw Error(ErrorCode::invalid_input,
                  fmt::format("{}: the text has {} tokens, but a window takes {}; give a longer "
                              "text or a smaller --max-length",
                              text.path.string(), size, length));
    }
    const int64_t count = std::min(windows_wanted_, size / length);
    std::vector<Window> windows;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t begin = count == 1 ? 0 : i * (size - length) / (count - 1);
      const auto middle = tokens.begin() + begin + (prompt_ - start_count);
      Window window;
      window.id = fmt::format("{}-{}", text.name, begin);
      window.prompt = start_tokens_;
      window.prompt.insert(window.prompt.end(), tokens.begin() + begin, middle);
      window.continuation.assign(middle, middle + continuation_);
      windows.push_back(std::move(window));
    }
    return windows;
  }

  /// What the table reads.
  static void check_window_sample(const JsonObject& line) {
    check_sample(line);
    for (const char* name : {"nll", "kl_mean", "same_top", "probability_change_rms"}) {
      line.require(line.real(name), name);
    }
    if (line.reals("kl").empty()) line.require(std::optional<double>(), "kl");
  }

  std::string key(const std::string& text, const Window& window, const Arm& arm) const {
    const std::string content =
        fmt::format("{} | {}", fmt::join(window.prompt, " "), fmt::join(window.continuation, " "));
    return fmt::format("{}|text|{}|{}|{:016x}", fingerprint(arm, info_), text, window.id,
                       std::hash<std::string>()(content));
  }

  Json sample(const std::string& text, const Window& window, const Arm& arm,
              const std::string& key) {
    // A dense sample may be there from an earlier run, but not its logits.
    if (dense_logits_.empty()) {
      dense_statistics_ = force(window, arms_[0], [&](int64_t, std::span<const float> logits) {
        dense_logits_.emplace_back(logits.begin(), logits.end());
      });
    }
    std::vector<Divergence> positions;
    const auto compare = [&](int64_t index, std::span<const float> logits) {
      const auto i = static_cast<size_t>(index);
      positions.push_back(compare_logits(dense_logits_[i], logits, window.continuation[i]));
    };
    Statistics statistics = dense_statistics_;
    if (arm.is_dense()) {
      for (size_t i = 0; i < dense_logits_.size(); ++i) {
        compare(static_cast<int64_t>(i), dense_logits_[i]);
      }
    } else {
      statistics = force(window, arm, compare);
    }
    const Json line = describe(text, window, arm, statistics, positions, key);
    samples_.add(line);
    return line;
  }

  Statistics force(const Window& window, const Arm& arm,
                   const std::function<void(int64_t, std::span<const float>)>& sink) const {
    Session session(model_, arm.session);
    session.forced_logits(window.prompt, window.continuation, sink);
    return session.statistics();
  }

  static Json describe(const std::string& text, const Window& window, const Arm& arm,
                       const Statistics& statistics, const std::vector<Divergence>& positions,
                       const std::string& key) {
    const DivergenceSummary summary = summarize(positions);
    Sample common;
    common.suite = "text";
    common.task = text;
    common.category = "text";
    common.id = window.id;
    common.arm = arm.name;
    common.policy = arm.policy();
    common.statistics = statistics;
    common.score = summary.same_top;
    common.answer_loglik = -summary.nll_other;
    common.key = key;
    Json line = to_json(common);
    line["answer_tokens"] = summary.positions;
    line["nll"] = summary.nll_other;
    line["kl_mean"] = summary.kl_mean;
    line["kl_p50"] = summary.kl_p50;
    line["kl_p90"] = summary.kl_p90;
    line["kl_p95"] = summary.kl_p95;
    line["kl_p99"] = summary.kl_p99;
    line["kl_max"] = summary.kl_max;
    line["same_top"] = summary.same_top;
    line["probability_change_rms"] = summary.probability_change_rms;
    Json& kl = line["kl"] = Json::array();
    for (const Divergence& position : positions) kl.push_back(std::round(position.kl * 1e7) / 1e7);
    return line;
  }

  std::shared_ptr<const Model> model_;
  ModelInfo info_;
  const std::vector<Arm>& arms_;
  Samples& samples_;
  const OnProgress& on_progress_;
  const Part part_;
  std::vector<TokenId> start_tokens_;  // such as BOS
  int64_t windows_wanted_, continuation_, prompt_;
  std::vector<std::pair<std::string, std::vector<Window>>> texts_;
  std::vector<std::vector<float>> dense_logits_;  // [position][vocabulary] of the window in work
  Statistics dense_statistics_;
};

}  // namespace

std::string evaluate_texts(const TextOptions& options, std::shared_ptr<const Model> model,
                           const std::vector<NamedText>& texts, const std::vector<Arm>& arms,
                           Samples& samples, const OnProgress& on_progress, const Part& part) {
  TextEvaluation evaluation(options, std::move(model), arms, samples, on_progress, part);
  evaluation.plan(texts);
  const std::vector<TaskSamples> results = evaluation.run();
  return part.is_whole() ? text_table(results, arms) : std::string();
}

}  // namespace lazyllm::evaluation
