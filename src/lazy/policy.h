// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazy/attention_form.h"
#include "lazy/importance_score.h"
#include "lazy/schedule.h"
#include "lazy/token_ranges.h"
#include "lazyllm/options.h"
#include "model/transformer.h"

namespace lazyllm::lazy {

class Stepper;

enum class StepKind {
  prompt,  ///< new tokens of a prompt or a further turn: revival without limit
  decode,  ///< one generated token: revival within the budget
};

/// What a policy may use to look at a prompt before the first step.
struct PromptEditor {
  const model::Transformer& transformer;
  Stepper& stepper;
  uint64_t seed = 0;
  int64_t protect_first = 0;
  int64_t protect_last = 0;
  std::span<const TokenRange> protected_ranges;
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(int layer, int layers, double share)> progress;

  /// Tokens of a prompt of `size` tokens that stay in any case.
  bool is_protected(int32_t index, int64_t size) const {
    return index < protect_first || index >= size - protect_last ||
           contains(protected_ranges, index);
  }
};

/// The prompt as a policy wants it computed.
struct EditedPrompt {
  std::vector<int32_t> kept;    ///< indices into the prompt, rising
  uint64_t computed_pairs = 0;  ///< (token, layer) pairs spent on choosing
};

/// What is pruned and when: one of the paper's method, its baselines and its peers.
/// Two places to act: on the prompt before the first step, or on the set after a layer.
/// One object per session, and further ones for drafted tokens (engine/verifying_step): what it
/// keeps of a decode step must not matter to the next one. Called by one thread.
class Policy {
 public:
  virtual ~Policy() = default;
  virtual std::string_view name() const = 0;

  /// Before the first step. The default keeps everything at no cost.
  virtual EditedPrompt edit_prompt(std::span<const int32_t> prompt, const PromptEditor& editor);

  /// Share of the current set to keep after `layer` layers (1-based), or nothing.
  virtual std::optional<double> keep_after(int layer, StepKind kind) const;
  /// Whether the scores of this layer are wanted; pruning layers always give them.
  virtual bool observes(int layer, StepKind kind) const;
  /// Weights of the query heads in the scores of this layer; empty: the plain mean.
  virtual std::span<const float> head_weights(int layer) const;
  /// Sees the scores of an observed layer over the current set before selection and may change
  /// them.
  virtual void combine(int layer, std::span<const int32_t> set, std::span<float> scores);
  /// Above 0: the fewest tokens that hold this share of the scores stay, if they are fewer than
  /// keep_after() says.
  virtual double keep_mass() const { return 0.0; }
  /// True: what is dropped never comes back (no Aux Cache).
  virtual bool permanent() const { return false; }
  virtual const ImportanceScore& score() const;
  /// True: edits the prompt and prunes nothing in between; its schedule is one keep share.
  virtual bool edits_prompt() const { return false; }
};

/// Pruning options with everything filled in for one model.
struct PruningPlan {
  std::string policy_name;
  std::string preset;  ///< where unset members came from
  Schedule schedule;
  ImportanceScore score;
  double keep_mass = 0.0;  ///< 0: off
  int64_t protect_first = 0;
  int64_t protect_last = 0;
  RevivalBudget revive_budget;
  int64_t min_prompt = 0;
  uint64_t seed = 0;
  int query_heads = 0;  ///< the model's
  AttentionForm attention;

  /// Whether a prompt is pruned alike; what is revived while decoding may differ.
  bool prefills_like(const PruningPlan& other) const;
};

/// Fills in and checks. Errors: Error(usage).
PruningPlan resolve(const PruningOptions& options, const model::Hyperparameters& hyperparameters);

/// Errors: Error(internal) for a plan whose policy is in no list.
std::unique_ptr<Policy> create_policy(const PruningPlan& plan);

/// All there is to say of a policy, in its file in policies/; docs/guides/add-a-policy.md shows how
/// to add one.
struct PolicyDescription {
  enum class Cuts {
    none,              ///< no schedule
    many,              ///< LAYER:KEEP,... or a preset
    one,               ///< one LAYER:KEEP
    before_the_model,  ///< one 0:KEEP
  };
  std::string_view name;
  std::string_view summary;
  std::string_view default_schedule;  ///< in words
  Cuts cuts = Cuts::many;
  /// Of one cut: (depth fraction, keep).
  std::pair<double, double> default_cut = {0.0, 0.5};
  std::unique_ptr<Policy> (*make)(const PruningPlan& plan) = nullptr;  ///< always set
  bool takes_any_score = false;  ///< and --keep-mass; else ScoreForm::for_single_cuts()
  bool draws = false;            ///< the seed changes what is chosen
  /// Taken to be sooner, not to be studied: dense may stand in where that is no later.
  bool is_for_speed = false;
  int default_window = 1;
  int default_pool = 0;  ///< 0: the preset's, or the score's
};
/// All policies (policies/list.cpp), for `lazyllm policies` too.
std::span<const PolicyDescription* const> policy_descriptions();
/// One more beside those of the list, before the first prompt; for tests and experiments. It
/// must outlive all users.
void add_policy(const PolicyDescription& policy);
/// Null if there is none of this name.
const PolicyDescription* find_policy(std::string_view name);

struct Preset {
  std::string_view name;
  std::string_view summary;
  std::span<const std::pair<double, double>> fractions;  ///< (depth fraction, keep)
  int pool;
  int64_t protect_first;
  int64_t protect_last;
  RevivalBudget revive_budget;
  int64_t min_prompt;
};
std::span<const Preset> presets();

/// The best `keep` share of a prompt by score, protected tokens included, as indices.
std::vector<int32_t> select_from_prompt(std::span<const float> scores, double keep,
                                        const PromptEditor& editor);

// One file each in policies/.
std::unique_ptr<Policy> make_dense_policy();
/// `query_heads` is the model's number; only score `heads` asks for it.
std::unique_ptr<Policy> make_lazy_policy(Schedule schedule, const ImportanceScore& score,
                                         double keep_mass = 0.0, int query_heads = 0);
std::unique_ptr<Policy> make_random_policy(double keep);
std::unique_ptr<Policy> make_static_policy(PruningPoint point, ImportanceScore score);
std::unique_ptr<Policy> make_compress_policy(double keep);
std::unique_ptr<Policy> make_tsp_policy(PruningPoint point, ImportanceScore score);
std::unique_ptr<Policy> make_gem_policy(PruningPoint point, int pool);

}  // namespace lazyllm::lazy
