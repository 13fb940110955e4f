// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/backend.h"
#include "model/hyperparameters.h"

namespace lazyllm::lazy {

struct ImportanceScore;
class LayerScores;

/// The text of one --score: "NAME", or "NAME:REST". What a score does not take is refused.
class ScoreText {
 public:
  explicit ScoreText(std::string_view whole);

  std::string_view name() const { return name_; }
  /// What stands behind the colon and was not taken yet; nothing: there is no colon.
  const std::optional<std::string_view>& rest() const { return rest_; }
  /// Takes "@W" from the end of the rest: a number of queries; 1 if there is none.
  int take_window();
  /// Takes the whole rest as a number from 1 to `most`.
  int take_count(int most, std::string_view what);
  std::string_view take_rest();
  /// Refuses what is left.
  void end() const;
  /// Errors: Error(usage) with the text, the reason and what can be written.
  [[noreturn]] void refuse(std::string_view why) const;

 private:
  std::string_view whole_, name_;
  std::optional<std::string_view> rest_;
};

inline constexpr int kMostQueries = 4096;

/// How neighbours of a token share in its score.
enum class Pooling {
  mean,    ///< pool_scores
  spread,  ///< spread_scores
};

/// One way to say how important tokens are: how it is written, what it reads of the attention and
/// what it makes of it. An object without state, one file each in scores/;
/// docs/guides/add-a-policy.md shows how to add one.
class ScoreForm {
 public:
  virtual ~ScoreForm() = default;

  /// What --score begins with, up to the colon.
  virtual std::string_view name() const = 0;
  virtual bool answers_to(std::string_view text) const { return text == name(); }
  /// All that can be written, for messages: "peak:N[@W]".
  virtual std::string_view spelling() const = 0;
  /// Reads what follows the name into `score`. Errors: ScoreText::refuse().
  virtual void parse(ScoreText& text, ImportanceScore& score) const = 0;
  /// What parse() reads.
  virtual std::string print(const ImportanceScore& score) const = 0;
  /// The same for people, where that would be long.
  virtual std::string describe(const ImportanceScore& score) const { return print(score); }

  virtual kernels::ScoreKind kind() const { return kernels::ScoreKind::probability; }
  virtual Pooling pooling() const { return Pooling::mean; }
  /// What the pool is at least where nobody names one.
  virtual int least_default_pool() const { return 1; }
  /// Refuses what this model cannot do. Errors: Error(usage).
  virtual void check(const ImportanceScore& score, const model::Hyperparameters& h) const;
  /// Carries scores from layer to layer; null: each pruning layer scores alone, and then every
  /// policy can take this score, else only `lazy`. `pruning_layers` are 1-based and rising.
  virtual std::unique_ptr<LayerScores> carry(const ImportanceScore& score,
                                             std::span<const int> pruning_layers, int heads) const;
  /// Whether policies that cut once for all take it as well.
  virtual bool for_single_cuts() const { return false; }
  /// Whether a written token reads the layers that prune nothing, too.
  virtual bool carries_while_decoding() const { return true; }
  /// Whether a prompt is scored by running ahead of it (scores/lookahead.h).
  virtual bool looks_ahead() const { return false; }
};

/// All scores (scores/list.cpp).
std::span<const ScoreForm* const> score_forms();
/// The paper's: the last token's attention.
const ScoreForm& paper_score();
/// One more beside those of the list, before the first prompt; for tests and experiments. It
/// must outlive all users.
void add_score_form(const ScoreForm& form);
/// Errors: Error(usage) if there is none of this name.
const ScoreForm& find_score_form(const ScoreText& text);

}  // namespace lazyllm::lazy
