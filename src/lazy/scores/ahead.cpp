// SPDX-License-Identifier: Apache-2.0
// What the next layers would look at, found out by scores/lookahead.h.
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class AheadScore final : public ScoreForm {
 public:
  std::string_view name() const override { return "ahead"; }
  std::string_view spelling() const override { return "ahead[:N]"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    score.layers = ImportanceScore::kAllLayers;
    if (text.rest()) score.layers = text.take_count(ImportanceScore::kAllLayers, kBadLayers);
  }
  std::string print(const ImportanceScore& score) const override {
    return score.layers == ImportanceScore::kAllLayers ? "ahead"
                                                       : fmt::format("ahead:{}", score.layers);
  }
  bool looks_ahead() const override { return true; }
};

}  // namespace

const ScoreForm& ahead_score() {
  static const AheadScore form;
  return form;
}

}  // namespace lazyllm::lazy
