// SPDX-License-Identifier: Apache-2.0
#include "lazy/policy.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "base/error.h"
#include "lazy/selection.h"

namespace lazyllm::lazy {
namespace {

using Fraction = std::pair<double, double>;

// Chosen from measurements on SmolLM2 (docs/architecture.md, "Presets"): cuts in the
// second half of the layers keep what the model needs, pooling over neighbours lets
// them come earlier. `paper` is the schedule of the paper's Fig. 4 and 7.
constexpr Fraction kConservative[] = {{0.667, 0.2}};
constexpr Fraction kBalanced[] = {{0.5, 0.3}};
constexpr Fraction kAggressive[] = {{0.3, 0.6}, {0.5, 0.4}, {0.7, 0.3}};
constexpr Fraction kPaper[] = {{0.3, 0.7}, {0.6, 0.7}, {0.9, 0.7}};

// With two returning tokens a step takes no longer than a dense one (docs/performance.md).
constexpr RevivalBudget kDefaultBudget{2};
constexpr int kDefaultPool = 7;
constexpr int64_t kDefaultProtectFirst = 4, kDefaultProtectLast = 32, kDefaultMinPrompt = 256;

constexpr std::array<Preset, 4> kPresets = {{
    {"conservative", "one late cut; the default for a model without a profile", kConservative,
     kDefaultPool, kDefaultProtectFirst, kDefaultProtectLast, kDefaultBudget, kDefaultMinPrompt},
    {"balanced", "one cut in the middle", kBalanced, kDefaultPool, kDefaultProtectFirst,
     kDefaultProtectLast, kDefaultBudget, kDefaultMinPrompt},
    {"aggressive", "three cuts, about half of the computation", kAggressive, kDefaultPool,
     kDefaultProtectFirst, kDefaultProtectLast, kDefaultBudget, kDefaultMinPrompt},
    {"paper", "arXiv 2407.14057 as published: bare score, nothing protected, unlimited revival",
     kPaper, 1, 0, 0, RevivalBudget{RevivalBudget::kAll}, 0},
}};

constexpr std::array<PolicyDescription, 7> kPolicies = {{
    {"dense", "compute every token in every layer", "none"},
    {"lazy", "LazyLLM: prune after layers by the last token's attention, revive at later steps",
     "a preset"},
    {"random", "drop random prompt tokens before the model (needs --seed to repeat another draw)",
     "0:0.5"},
    {"static", "one permanent cut by the attention of the first layers", "30 % of depth : 0.5"},
    {"compress",
     "Selective Context: drop the prompt's least surprising tokens, found by a first dense pass",
     "0:0.5"},
    {"tsp", "FastKV's token-selective propagation: one permanent cut by a window of last queries",
     "50 % of depth : 0.2"},
    {"gem", "GemFilter: run the first layers, keep the best tokens, start again with them alone",
     "40 % of depth : 0.3"},
}};

const Preset& find_preset(std::string_view name) {
  for (const Preset& preset : kPresets) {
    if (preset.name == name) return preset;
  }
  return kPresets[0];
}

bool is_preset(std::string_view name) {
  return std::any_of(kPresets.begin(), kPresets.end(),
                     [&](const Preset& preset) { return preset.name == name; });
}

std::string policy_names() {
  std::string list;
  for (const PolicyDescription& policy : kPolicies) {
    if (!list.empty()) list += ", ";
    list += policy.name;
  }
  return list;
}

std::vector<bool> full_attention_layers(const model::Hyperparameters& h) {
  std::vector<bool> full(static_cast<size_t>(h.layers));
  for (int l = 0; l < h.layers; ++l) full[static_cast<size_t>(l)] = h.full_attention(l);
  return full;
}

/// The default schedule of the policies that have a single point.
Schedule default_schedule(std::string_view policy, const std::vector<bool>& full_attention) {
  const auto at = [&](double fraction, double keep) {
    const Fraction point[] = {{fraction, keep}};
    return scale_schedule(point, full_attention);
  };
  if (policy == "random" || policy == "compress") return {{0, 0.5}};
  if (policy == "static") return at(0.3, 0.5);
  if (policy == "tsp") return at(0.5, 0.2);
  if (policy == "gem") return at(0.4, 0.3);
  return {};
}

bool single_point(std::string_view policy) {
  return policy == "random" || policy == "compress" || policy == "static" || policy == "tsp" ||
         policy == "gem";
}

void check_policy_schedule(const PruningPlan& plan, const std::vector<bool>& full_attention) {
  if (single_point(plan.policy_name) && plan.schedule.size() > 1) {
    fail(ErrorCode::usage, "--prune {}: policy {} takes one LAYER:KEEP", to_string(plan.schedule),
         plan.policy_name);
  }
  const bool before_the_model = plan.policy_name == "random" || plan.policy_name == "compress";
  if (!before_the_model) {
    check_schedule(plan.schedule, full_attention);
  } else if (plan.schedule.front().layer != 0) {
    fail(ErrorCode::usage, "--prune {}: policy {} drops tokens before the model; write 0:{}",
         to_string(plan.schedule), plan.policy_name, plan.schedule.front().keep);
  }
}

}  // namespace

EditedPrompt Policy::edit_prompt(std::span<const int32_t> prompt, const PromptEditor&) {
  EditedPrompt edited;
  edited.kept.resize(prompt.size());
  std::iota(edited.kept.begin(), edited.kept.end(), 0);
  return edited;
}
std::optional<double> Policy::keep_after(int, StepKind) const {
  return std::nullopt;
}
bool Policy::observes(int, StepKind) const {
  return false;
}
std::span<const float> Policy::head_weights(int) const {
  return {};
}
void Policy::combine(int, std::span<const int32_t>, std::span<float>) {}
const ImportanceScore& Policy::score() const {
  static const ImportanceScore kPaper;
  return kPaper;
}

std::vector<int32_t> select_from_prompt(std::span<const float> scores, double keep,
                                        const PromptEditor& editor) {
  const auto size = static_cast<int64_t>(scores.size());
  std::vector<int32_t> set(scores.size());
  std::iota(set.begin(), set.end(), 0);
  const auto is_protected = [&](int32_t index) { return editor.is_protected(index, size); };
  int64_t unlimited = -1;
  return Selector().select(
      {set, scores, kept_count(keep, size), is_protected, [](int32_t) { return Standing::stored; }},
      unlimited);
}

void check_score_heads(const ImportanceScore& score, const model::Hyperparameters& h) {
  for (const HeadWeight& head : score.heads) {
    if (head.layer > h.layers || head.head > h.heads) {
      fail(ErrorCode::usage,
           "--score heads: there is no head {}.{}; this model has {} layers of {}", head.layer,
           head.head, h.layers, h.heads);
    }
    if (!h.full_attention(head.layer - 1)) {
      fail(ErrorCode::usage,
           "--score heads: layer {} sees a sliding window only and cannot score all tokens",
           head.layer);
    }
  }
}

bool PruningPlan::prefills_like(const PruningPlan& other) const {
  const auto what_counts = [](const PruningPlan& p) {
    return std::tuple(p.policy_name, to_string(p.schedule), p.score.to_string(), p.score.pool,
                      p.keep_mass, p.protect_first, p.protect_last, p.min_prompt,
                      p.policy_name == "random" ? p.seed : 0);
  };
  return what_counts(*this) == what_counts(other);
}

PruningPlan resolve(const PruningOptions& options, const model::Hyperparameters& hyperparameters) {
  const auto known = [&](const PolicyDescription& policy) { return policy.name == options.policy; };
  if (std::none_of(kPolicies.begin(), kPolicies.end(), known)) {
    fail(ErrorCode::usage, "--policy {}: unknown; the policies are {}", options.policy,
         policy_names());
  }
  const bool named = is_preset(options.prune);
  const Preset& preset = find_preset(options.prune);
  const std::vector<bool> full_attention = full_attention_layers(hyperparameters);

  PruningPlan plan;
  plan.policy_name = options.policy;
  plan.preset = preset.name;
  if (!options.prune.empty() && !named) {
    plan.schedule = parse_schedule(options.prune);
  } else if (single_point(options.policy)) {
    plan.schedule = default_schedule(options.policy, full_attention);
  } else {
    plan.schedule = scale_schedule(preset.fractions, full_attention);
  }
  if (plan.policy_name == "dense") {
    plan.schedule.clear();
  } else if (plan.schedule.empty() || hyperparameters.layers < 2) {
    // A model of one layer, or without any full-attention layer before the last.
    plan.policy_name = "dense";
    plan.schedule.clear();
  } else {
    check_policy_schedule(plan, full_attention);
  }
  const bool tsp = options.policy == "tsp";
  plan.score.window = tsp ? 8 : 1;
  if (options.score) plan.score.parse(*options.score);
  check_score_heads(plan.score, hyperparameters);
  plan.query_heads = hyperparameters.heads;
  plan.keep_mass = options.keep_mass.value_or(0.0);
  if (!(plan.keep_mass >= 0.0 && plan.keep_mass <= 1.0)) {
    fail(ErrorCode::usage, "--keep-mass {}: write a share from 0 (off) to 1", plan.keep_mass);
  }
  if (plan.policy_name != "lazy" && plan.policy_name != "dense" &&
      (plan.score.kind != ImportanceScore::Kind::layer || plan.keep_mass > 0.0)) {
    fail(ErrorCode::usage,
         "policy {} takes --score last or window:W and no --keep-mass; those are for policy lazy",
         plan.policy_name);
  }
  plan.score.pool =
      options.score_pool.value_or(tsp ? 7 : std::max(preset.pool, plan.score.least_default_pool()));
  if (plan.score.pool < 1 || plan.score.pool % 2 == 0 || plan.score.pool > 4095) {
    fail(ErrorCode::usage, "--score-pool {}: write an odd number from 1 to 4095", plan.score.pool);
  }
  plan.protect_first = options.protect_first.value_or(preset.protect_first);
  plan.protect_last = options.protect_last.value_or(preset.protect_last);
  plan.revive_budget = options.revive_budget.value_or(preset.revive_budget);
  plan.min_prompt = options.min_prompt.value_or(preset.min_prompt);
  if (plan.protect_first < 0 || plan.protect_last < 0 || plan.min_prompt < 0) {
    fail(ErrorCode::usage, "--protect-first, --protect-last and --min-prompt must not be negative");
  }
  plan.seed = options.seed;
  return plan;
}

std::unique_ptr<Policy> create_policy(const PruningPlan& plan) {
  const std::string& name = plan.policy_name;
  if (name == "lazy") {
    return make_lazy_policy(plan.schedule, plan.score, plan.keep_mass, plan.query_heads);
  }
  if (name == "random") return make_random_policy(plan.schedule.front().keep);
  if (name == "static") return make_static_policy(plan.schedule.front(), plan.score);
  if (name == "compress") return make_compress_policy(plan.schedule.front().keep);
  if (name == "tsp") return make_tsp_policy(plan.schedule.front(), plan.score);
  if (name == "gem") return make_gem_policy(plan.schedule.front(), plan.score.pool);
  return make_dense_policy();
}

std::span<const PolicyDescription> policy_descriptions() {
  return kPolicies;
}
std::span<const Preset> presets() {
  return kPresets;
}

}  // namespace lazyllm::lazy
