// SPDX-License-Identifier: Apache-2.0
// The scores of the pruning layer and the layers right before it together, because a single
// layer's ranking can be a bad one: their mean, or (peak) the highest. The mean drowns the one head
// that saw what the answer will need among many that stare at the first token; the highest
// keeps it.
#include <algorithm>

#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class AccumulatedScore final : public LayerScores {
 public:
  AccumulatedScore(const ImportanceScore& score, std::span<const int> pruning_layers, bool highest)
      : highest_(highest) {
    for (const int end : pruning_layers) {
      for (int layer = std::max(1, end - score.layers + 1); layer <= end; ++layer) {
        if (read_.empty() || read_.back() < layer) read_.push_back(layer);
      }
    }
    layers_ = static_cast<size_t>(score.layers);
    rows_.resize(std::min(layers_, read_.size()));
  }

  bool reads(int layer) const override {
    return std::binary_search(read_.begin(), read_.end(), layer);
  }
  std::span<const float> head_weights(int) const override { return {}; }

  void combine(int layer, std::span<const int32_t> set, std::span<float> scores) override {
    if (layer <= last_layer_) {  // a new step
      for (Row& row : rows_) row.layer = 0;
    }
    last_layer_ = layer;
    Row& own = rows_[static_cast<size_t>(layer) % rows_.size()];
    own.layer = layer;
    const auto tokens = static_cast<size_t>(set.back()) + 1;
    if (own.of_token.size() < tokens) own.of_token.resize(tokens);
    for (size_t i = 0; i < set.size(); ++i) own.of_token[static_cast<size_t>(set[i])] = scores[i];
    int taken = 1;
    for (const Row& row : rows_) {
      if (row.layer == 0 || row.layer == layer) continue;
      if (row.layer + static_cast<int>(layers_) <= layer) continue;
      ++taken;
      for (size_t i = 0; i < set.size(); ++i) {
        const float other = row.of_token[static_cast<size_t>(set[i])];
        scores[i] = highest_ ? std::max(scores[i], other) : scores[i] + other;
      }
    }
    if (highest_) return;
    for (float& score : scores) score /= static_cast<float>(taken);
  }

 private:
  struct Row {
    int layer = 0;  // 0: of no layer of this step
    std::vector<float> of_token;
  };
  size_t layers_ = 1;
  bool highest_ = false;
  std::vector<int> read_;  // 1-based, rising
  std::vector<Row> rows_;  // of the last layers; layer l lies at l modulo their number
  int last_layer_ = 0;
};

class AccumulateForm final : public ScoreForm {
 public:
  std::string_view name() const override { return "accumulate"; }
  std::string_view spelling() const override { return "accumulate:N[@W]"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    score.window = text.take_window();
    score.layers = text.take_count(ImportanceScore::kAllLayers, kBadLayers);
  }
  std::string print(const ImportanceScore& score) const override {
    return fmt::format("accumulate:{}{}", score.layers, print_window(score));
  }
  std::unique_ptr<LayerScores> carry(const ImportanceScore& score,
                                     std::span<const int> pruning_layers, int) const override {
    return make_accumulated_score(score, pruning_layers, /*highest=*/false);
  }
};

}  // namespace

std::unique_ptr<LayerScores> make_accumulated_score(const ImportanceScore& score,
                                                    std::span<const int> pruning_layers,
                                                    bool highest) {
  return std::make_unique<AccumulatedScore>(score, pruning_layers, highest);
}

const ScoreForm& accumulate_score() {
  static const AccumulateForm form;
  return form;
}

}  // namespace lazyllm::lazy
