// SPDX-License-Identifier: Apache-2.0
// Replays a run of the independent reference model (tests/golden/lazy_*.json, made by
// tools/make_lazy_golden.py) with the engine's step and compares set by set, depth by
// depth and logit by logit.  Usage: lazy_replay MODEL SCENARIO.json
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "lazy/policy.h"
#include "lazy/step.h"
#include "model/architecture.h"

namespace {

using nlohmann::json;
using namespace lazyllm;

constexpr double kLogitTolerance = 1e-3;
constexpr double kScoreTolerance = 2e-5;  // of 1, or of the score where that is more (`value`)

using Sets = std::map<int, std::vector<int32_t>>;

struct Recorder : lazy::StepObserver {
  void on_layer(int layer, std::span<const int32_t> set,
                std::span<const int32_t> pending) override {
    entering[layer].assign(set.begin(), set.end());
    computed[layer].assign(pending.begin(), pending.end());
  }
  void on_selection(int layer, std::span<const int32_t>, std::span<const float> values,
                    std::span<const int32_t>) override {
    scores[layer].assign(values.begin(), values.end());
  }
  Sets entering, computed;
  std::map<int, std::vector<float>> scores;
};

int failures = 0;

template <typename... Arguments>
void report(const char* format, Arguments... arguments) {
  std::fprintf(stderr, format, arguments...);
  std::fputc('\n', stderr);
  ++failures;
}

void compare_sets(const char* what, size_t step, const json& expected, const Sets& got) {
  for (size_t layer = 0; layer < expected.size(); ++layer) {
    const auto found = got.find(static_cast<int>(layer));
    const bool equal =
        found != got.end() && expected[layer].get<std::vector<int32_t>>() == found->second;
    if (!equal) report("step %zu, layer %zu: the tokens %s differ", step, layer + 1, what);
  }
}

void compare_scores(size_t step, const json& selections, const Recorder& recorder) {
  for (const json& selection : selections) {
    const int layer = selection.at("after_layer").get<int>() - 1;
    const auto expected = selection.at("scores").get<std::vector<double>>();
    const auto found = recorder.scores.find(layer);
    if (found == recorder.scores.end() || found->second.size() != expected.size()) {
      report("step %zu, layer %d: no scores, or of another number", step, layer + 1);
      continue;
    }
    for (size_t i = 0; i < expected.size(); ++i) {
      if (!(std::abs(found->second[i] - expected[i]) <
            kScoreTolerance * std::max(1.0, expected[i]))) {
        report("step %zu, layer %d: score %zu is %g, expected %g", step, layer + 1, i,
               static_cast<double>(found->second[i]), expected[i]);
        break;
      }
    }
  }
}

const lazy::ScoreForm* form(std::string_view name) {
  return &lazy::find_score_form(lazy::ScoreText(name));
}

lazy::PruningPlan plan_of(const json& scenario, int query_heads) {
  lazy::PruningPlan plan;
  plan.policy_name = "lazy";
  for (const json& point : scenario.at("schedule")) {
    plan.schedule.push_back({point.at("after_layer").get<int>(), point.at("keep").get<double>()});
  }
  plan.score = {.window = scenario.at("score_window").get<int>(),
                .pool = scenario.at("score_pool").get<int>()};
  for (const json& head : scenario.value("score_heads", json::array())) {
    plan.score.form = form("heads");
    plan.score.heads.push_back(
        {head.at("layer").get<int>(), head.at("head").get<int>(), head.at("weight").get<float>()});
  }
  plan.score.layers = scenario.value("score_layers", 1);
  if (plan.score.layers > 1) plan.score.form = form("accumulate");
  if (scenario.value("score_value", false)) plan.score.form = form("value");
  if (scenario.value("score_peak", false)) plan.score.form = form("peak");
  if (const int ahead = scenario.value("score_ahead", 0); ahead > 0) {
    plan.score.form = form("ahead");
    plan.score.layers = std::min(ahead, lazy::ImportanceScore::kAllLayers);
  }
  plan.keep_mass = scenario.value("keep_mass", 0.0);
  plan.query_heads = query_heads;
  plan.protect_first = scenario.at("protect_first").get<int64_t>();
  plan.protect_last = scenario.at("protect_last").get<int64_t>();
  const json& budget = scenario.at("revive_budget");
  plan.revive_budget.tokens = budget.is_string() ? RevivalBudget::kAll : budget.get<int64_t>();
  return plan;
}

void replay(const model::Transformer& transformer, const json& scenario) {
  const lazy::PruningPlan plan = plan_of(scenario, transformer.hyperparameters().heads);
  const auto policy = lazy::create_policy(plan);
  lazy::Stepper stepper(transformer);
  lazy::Sequence sequence(transformer, {kernels::CacheType::f32, kernels::CacheType::f32});
  int64_t tail_begin = 0, tail_end = 0, revived = 0;
  size_t number = 0;
  for (const json& step : scenario.at("steps")) {
    const auto tokens = step.at("tokens").get<std::vector<int32_t>>();
    lazy::StepRequest request;
    request.new_tokens = tokens;
    request.kind = tokens.size() > 1 ? lazy::StepKind::prompt : lazy::StepKind::decode;
    if (tokens.size() > 1) {
      tail_end = sequence.size() + static_cast<int64_t>(tokens.size());
      tail_begin = std::max(sequence.size(), tail_end - plan.protect_last);
    }
    request.protect_first = plan.protect_first;
    request.tail_begin = tail_begin;
    request.tail_end = tail_end;
    request.revive_budget = plan.revive_budget;
    std::vector<float> logits;
    request.logits = [&](int64_t, std::span<const float> values) {
      logits.assign(values.begin(), values.end());
    };
    Recorder recorder;
    request.observer = &recorder;
    const lazy::StepReport result = stepper.step(sequence, *policy, request);
    revived += result.revived;

    compare_sets("entering", number, step.at("entering"), recorder.entering);
    compare_sets("computed", number, step.at("computed"), recorder.computed);
    compare_scores(number, step.at("selections"), recorder);
    if (result.revived != static_cast<int64_t>(step.at("revived").size()) &&
        step.at("revived").is_array()) {
      report("step %zu: %ld tokens revived, expected %zu", number,
             static_cast<long>(result.revived), step.at("revived").size());
    }
    const auto depths = step.at("layers_done").get<std::vector<int>>();
    for (size_t token = 0; token < depths.size(); ++token) {
      if (sequence.depth(static_cast<int64_t>(token)) != depths[token]) {
        report("step %zu: token %zu has depth %d, expected %d", number, token,
               sequence.depth(static_cast<int64_t>(token)), depths[token]);
      }
    }
    const auto expected = step.at("logits").get<std::vector<double>>();
    double worst = expected.size() == logits.size() ? 0.0 : INFINITY;
    for (size_t i = 0; i < logits.size() && i < expected.size(); ++i) {
      worst = std::max(worst, std::abs(logits[i] - expected[i]));
    }
    if (!(worst < kLogitTolerance)) report("step %zu: logits differ by up to %g", number, worst);
    ++number;
  }
  if (revived != scenario.at("revived_tokens").get<int64_t>())
    report("%ld tokens revived in all", static_cast<long>(revived));
  std::printf("%zu steps compared\n", number);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: lazy_replay MODEL SCENARIO.json\n");
    return 2;
  }
  try {
    const auto backend = kernels::create_cpu_backend("", 2);
    const auto file = formats::open_model_file(argv[1]);
    model::Hyperparameters h = model::describe(*file);
    model::Weights weights = model::load_weights(*file, h, *backend);
    const model::Transformer transformer(std::move(h), std::move(weights), *backend);
    std::ifstream stream(argv[2]);
    replay(transformer, json::parse(stream));
  } catch (const std::exception& error) {
    report("%s", error.what());
  }
  return failures == 0 ? 0 : 1;
}
