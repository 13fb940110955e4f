// SPDX-License-Identifier: Apache-2.0
// The most that any head of the last N layers gives from any query. The mean drowns the one head
// that saw what the answer will need; who looks at a token reads on behind it, so that the score
// spreads over what follows.
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class PeakForm final : public ScoreForm {
 public:
  std::string_view name() const override { return "peak"; }
  std::string_view spelling() const override { return "peak:N[@W]"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    score.window = text.take_window();
    score.layers = text.take_count(ImportanceScore::kAllLayers, kBadLayers);
  }
  std::string print(const ImportanceScore& score) const override {
    return fmt::format("peak:{}{}", score.layers, print_window(score));
  }
  kernels::ScoreKind kind() const override { return kernels::ScoreKind::peak; }
  Pooling pooling() const override { return Pooling::spread; }
  /// Without its reach a peak keeps the place where an answer begins and little of the answer.
  int least_default_pool() const override { return 41; }
  /// A written token has one query, what it needs beyond the set it finds is little, and reading
  /// eight layers cost it a quarter of its time.
  bool carries_while_decoding() const override { return false; }
  std::unique_ptr<LayerScores> carry(const ImportanceScore& score,
                                     std::span<const int> pruning_layers, int) const override {
    return make_accumulated_score(score, pruning_layers, /*highest=*/true);
  }
};

}  // namespace

const ScoreForm& peak_score() {
  static const PeakForm form;
  return form;
}

}  // namespace lazyllm::lazy
