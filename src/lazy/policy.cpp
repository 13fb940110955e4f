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
using Cuts = PolicyDescription::Cuts;

// Chosen from measurements on SmolLM2 (docs/architecture.md, "Presets"): cuts in the
// second half of the layers keep what the model needs, pooling over neighbours lets
// them come earlier. `paper` is the schedule of the paper's Fig. 4 and 7.
constexpr Fraction kCareful[] = {{0.667, 0.2}};
constexpr Fraction kBalanced[] = {{0.5, 0.3}};
constexpr Fraction kFast[] = {{0.3, 0.6}, {0.5, 0.4}, {0.7, 0.3}};
constexpr Fraction kPaper[] = {{0.3, 0.7}, {0.6, 0.7}, {0.9, 0.7}};

// With two returning tokens a step takes no longer than a dense one (docs/lab/speed.md).
constexpr RevivalBudget kDefaultBudget{2};
constexpr int kDefaultPool = 7;
constexpr int64_t kDefaultProtectFirst = 4, kDefaultProtectLast = 32, kDefaultMinPrompt = 256;

constexpr std::array<Preset, 5> kPresets = {{
    {"careful", "one late cut; the default for a model without a profile", kCareful, kDefaultPool,
     kDefaultProtectFirst, kDefaultProtectLast, kDefaultBudget, kDefaultMinPrompt},
    {"balanced", "one cut in the middle", kBalanced, kDefaultPool, kDefaultProtectFirst,
     kDefaultProtectLast, kDefaultBudget, kDefaultMinPrompt},
    {"fast", "three cuts, about half of the computation", kFast, kDefaultPool, kDefaultProtectFirst,
     kDefaultProtectLast, kDefaultBudget, kDefaultMinPrompt},
    {"off",
     "nothing is skipped",
     {},
     kDefaultPool,
     kDefaultProtectFirst,
     kDefaultProtectLast,
     kDefaultBudget,
     kDefaultMinPrompt},
    {"paper", "arXiv 2407.14057 as published: bare score, nothing protected, unlimited revival",
     kPaper, 1, 0, 0, RevivalBudget{RevivalBudget::kAll}, 0},
}};

/// Null if there is none of this name. The names of 0.1.0 stay known.
const Preset* find_preset(std::string_view name) {
  if (name == "conservative") name = "careful";
  if (name == "aggressive") name = "fast";
  const auto* found = std::find_if(kPresets.begin(), kPresets.end(),
                                   [&](const Preset& preset) { return preset.name == name; });
  return found == kPresets.end() ? nullptr : found;
}

std::string preset_names() {
  std::string list;
  for (const Preset& preset : kPresets) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", preset.name);
  }
  return list;
}

std::string policy_names() {
  std::string list;
  for (const PolicyDescription* policy : policy_descriptions()) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", policy->name);
  }
  return list;
}

/// Of the layers that tokens are carried through.
std::vector<bool> full_attention_layers(const model::Hyperparameters& h) {
  std::vector<bool> full(static_cast<size_t>(h.kv_layers()));
  for (int l = 0; l < h.kv_layers(); ++l) full[static_cast<size_t>(l)] = h.full_attention(l);
  return full;
}

bool single_cut(const PolicyDescription& policy) {
  return policy.cuts == Cuts::one || policy.cuts == Cuts::before_the_model;
}

/// The default schedule of a policy with a single cut.
Schedule default_schedule(const PolicyDescription& policy,
                          const std::vector<bool>& full_attention) {
  if (policy.cuts == Cuts::before_the_model) return {{0, policy.default_cut.second}};
  const Fraction cut[] = {policy.default_cut};
  return scale_schedule(cut, full_attention);
}

void check_policy_schedule(const PolicyDescription& policy, const Schedule& schedule,
                           const std::vector<bool>& full_attention, int layers) {
  if (single_cut(policy) && schedule.size() > 1) {
    fail(ErrorCode::usage, "--prune {}: policy {} takes one LAYER:KEEP", to_string(schedule),
         policy.name);
  }
  if (policy.cuts != Cuts::before_the_model) {
    check_schedule(schedule, full_attention, layers);
  } else if (schedule.front().layer != 0) {
    fail(ErrorCode::usage, "--prune {}: policy {} drops tokens before the model; write 0:{}",
         to_string(schedule), policy.name, schedule.front().keep);
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

bool PruningPlan::prefills_like(const PruningPlan& other) const {
  const auto what_counts = [](const PruningPlan& p) {
    const PolicyDescription* policy = find_policy(p.policy_name);
    return std::tuple(p.policy_name, to_string(p.schedule), p.score.to_string(), p.score.pool,
                      p.keep_mass, p.protect_first, p.protect_last, p.min_prompt,
                      p.attention.to_string(), policy != nullptr && policy->draws ? p.seed : 0);
  };
  return what_counts(*this) == what_counts(other);
}

PruningPlan resolve(const PruningOptions& options, const model::Hyperparameters& hyperparameters) {
  const PolicyDescription* const policy = find_policy(options.policy);
  if (policy == nullptr) {
    fail(ErrorCode::usage, "--policy {}: unknown; the policies are {}", options.policy,
         policy_names());
  }
  const Preset* const named = find_preset(options.prune);
  const Preset& preset = named != nullptr ? *named : kPresets[0];
  const std::vector<bool> full_attention = full_attention_layers(hyperparameters);

  PruningPlan plan;
  plan.policy_name = options.policy;
  plan.preset = preset.name;
  if (!options.prune.empty() && named == nullptr) {
    if (options.prune.find(':') == std::string::npos) {
      fail(ErrorCode::usage, "--prune {}: no such preset; there are {}; or write LAYER:KEEP,...",
           options.prune, preset_names());
    }
    plan.schedule = parse_schedule(options.prune);
  } else if (single_cut(*policy) && !preset.fractions.empty()) {
    plan.schedule = default_schedule(*policy, full_attention);
  } else {
    plan.schedule = scale_schedule(preset.fractions, full_attention);
  }
  if (policy->cuts == Cuts::none) {
    plan.schedule.clear();
  } else if (plan.schedule.empty() || hyperparameters.kv_layers() < 2) {
    // Preset off, a model of one layer, or one without any full-attention layer before the last.
    plan.policy_name = "dense";
    plan.schedule.clear();
  } else {
    check_policy_schedule(*policy, plan.schedule, full_attention, hyperparameters.layers);
  }
  plan.score.window = policy->default_window;
  if (options.score) plan.score.parse(*options.score);
  plan.score.form->check(plan.score, hyperparameters);
  plan.query_heads = hyperparameters.heads;
  plan.keep_mass = options.keep_mass.value_or(0.0);
  if (!(plan.keep_mass >= 0.0 && plan.keep_mass <= 1.0)) {
    fail(ErrorCode::usage, "--keep-mass {}: write a share from 0 (off) to 1", plan.keep_mass);
  }
  if (plan.policy_name != "dense" && !policy->takes_any_score &&
      (!plan.score.form->for_single_cuts() || plan.keep_mass > 0.0)) {
    fail(ErrorCode::usage,
         "policy {} takes --score last or window:W and no --keep-mass; those are for policy lazy",
         plan.policy_name);
  }
  const int default_pool = policy->default_pool > 0
                               ? policy->default_pool
                               : std::max(preset.pool, plan.score.form->least_default_pool());
  plan.score.pool = options.score_pool.value_or(default_pool);
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
  if (options.attention) plan.attention = AttentionForm::parse(*options.attention);
  return plan;
}

std::unique_ptr<Policy> create_policy(const PruningPlan& plan) {
  const PolicyDescription* const policy = find_policy(plan.policy_name);
  if (policy == nullptr || policy->make == nullptr) {
    fail(ErrorCode::internal, "there is no policy '{}' that can be made; the policies are {}",
         plan.policy_name, policy_names());
  }
  return policy->make(plan);
}

std::span<const Preset> presets() {
  return kPresets;
}

}  // namespace lazyllm::lazy
