// SPDX-License-Identifier: Apache-2.0
// The attention of the pruning layer times the size of what it brings: the sum of the absolute
// values of the token's value vector in that head (VATP, arXiv 2406.12335), mean over heads and the
// last W queries. A token that draws attention and gives nothing, as the first ones do, counts
// little.
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class ValueScore final : public ScoreForm {
 public:
  std::string_view name() const override { return "value"; }
  std::string_view spelling() const override { return "value[:W]"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    if (!text.rest()) return;
    score.window = text.take_count(kMostQueries, "W must be a number from 1 to 4096");
  }
  std::string print(const ImportanceScore& score) const override {
    return score.window == 1 ? "value" : fmt::format("value:{}", score.window);
  }
  kernels::ScoreKind kind() const override { return kernels::ScoreKind::value; }
  bool for_single_cuts() const override { return true; }
};

}  // namespace

const ScoreForm& value_score() {
  static const ValueScore form;
  return form;
}

}  // namespace lazyllm::lazy
