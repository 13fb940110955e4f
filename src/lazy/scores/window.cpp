// SPDX-License-Identifier: Apache-2.0
// The attention of the pruning layer, mean over its heads: of the last query (the paper, Eq. 1) or
// of the last W (SnapKV).
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class WindowScore final : public ScoreForm {
 public:
  std::string_view name() const override { return "window"; }
  bool answers_to(std::string_view text) const override {
    return text == "last" || text == "window";
  }
  std::string_view spelling() const override { return "last, window:W"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    if (text.name() == "last") return;
    score.window = text.take_count(kMostQueries, "W must be a number from 1 to 4096");
  }
  std::string print(const ImportanceScore& score) const override {
    return score.window == 1 ? "last" : fmt::format("window:{}", score.window);
  }
  bool for_single_cuts() const override { return true; }
};

}  // namespace

const ScoreForm& window_score() {
  static const WindowScore form;
  return form;
}

}  // namespace lazyllm::lazy
