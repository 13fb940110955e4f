// SPDX-License-Identifier: Apache-2.0
// Only the heads that a calibration found to look at what later layers need, of the pruning
// layer and of those before it. Most heads of a layer stare at the first token or at their
// neighbours and say nothing about importance.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <tuple>

#include "base/error.h"
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

class HeadsScore final : public LayerScores {
 public:
  HeadsScore(const ImportanceScore& score, std::span<const int> pruning_layers, int heads)
      : nothing_(static_cast<size_t>(heads), 0.0f) {
    for (const HeadWeight& h : score.heads) {
      if (h.head > heads) {
        fail(ErrorCode::usage, "--score heads: layer {} has heads 1 to {}, there is no head {}",
             h.layer, heads, h.head);
      }
      if (h.layer > pruning_layers.back()) continue;  // looks too late to be of use
      auto& weights = weights_.try_emplace(h.layer, nothing_).first->second;
      weights[static_cast<size_t>(h.head) - 1] = h.weight;
    }
    if (weights_.empty() || weights_.begin()->first > pruning_layers.front()) {
      fail(ErrorCode::usage,
           "--score heads: after layer {} tokens are pruned, but no chosen head lies in that layer "
           "or before it",
           pruning_layers.front());
    }
  }

  bool reads(int layer) const override { return weights_.contains(layer); }

  std::span<const float> head_weights(int layer) const override {
    const auto found = weights_.find(layer);
    return found == weights_.end() ? nothing_ : found->second;
  }

  void combine(int layer, std::span<const int32_t> set, std::span<float> scores) override {
    const auto tokens = static_cast<size_t>(set.back()) + 1;
    if (layer <= last_layer_) std::fill(sums_.begin(), sums_.end(), 0.0f);  // a new step
    last_layer_ = layer;
    if (sums_.size() < tokens) sums_.resize(tokens, 0.0f);
    for (size_t i = 0; i < set.size(); ++i) {
      float& sum = sums_[static_cast<size_t>(set[i])];
      sum += scores[i];
      scores[i] = sum;
    }
  }

 private:
  std::map<int, std::vector<float>> weights_;  // by layer: [heads]
  std::vector<float> nothing_;                 // [heads] zeros: a pruning layer without such heads
  std::vector<float> sums_;                    // by token, over the layers so far
  int last_layer_ = 0;
};

template <typename T>
bool parse_number(std::string_view text, T& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

/// "LAYER.HEAD" or "LAYER.HEAD=WEIGHT"
HeadWeight parse_head(const ScoreText& text, std::string_view part) {
  HeadWeight head;
  const size_t equals = std::min(part.find('='), part.size());
  const size_t dot = std::min(part.find('.'), equals);
  const bool named = dot < equals && parse_number(part.substr(0, dot), head.layer) &&
                     parse_number(part.substr(dot + 1, equals - dot - 1), head.head);
  const bool weighed = equals == part.size() || parse_number(part.substr(equals + 1), head.weight);
  if (!named || head.layer < 1 || head.head < 1) text.refuse("a head is LAYER.HEAD, from 1 on");
  if (!weighed || !(head.weight > 0.0f) || !std::isfinite(head.weight)) {
    text.refuse("a head's weight is a number above 0");
  }
  return head;
}

std::vector<HeadWeight> parse_heads(const ScoreText& text, std::string_view list) {
  std::vector<HeadWeight> heads;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t comma = std::min(list.find(',', begin), list.size());
    heads.push_back(parse_head(text, list.substr(begin, comma - begin)));
    begin = comma + 1;
  }
  const auto place = [](const HeadWeight& h) { return std::tie(h.layer, h.head); };
  std::sort(heads.begin(), heads.end(),
            [&](const HeadWeight& a, const HeadWeight& b) { return place(a) < place(b); });
  const auto twice = std::adjacent_find(
      heads.begin(), heads.end(),
      [&](const HeadWeight& a, const HeadWeight& b) { return place(a) == place(b); });
  if (twice != heads.end()) text.refuse("a head is named twice");
  return heads;
}

class HeadsForm final : public ScoreForm {
 public:
  std::string_view name() const override { return "heads"; }
  std::string_view spelling() const override { return "heads:LAYER.HEAD=WEIGHT,...[@W]"; }
  void parse(ScoreText& text, ImportanceScore& score) const override {
    score.window = text.take_window();
    score.heads = parse_heads(text, text.take_rest());
  }
  std::string print(const ImportanceScore& score) const override {
    std::string text;
    for (const HeadWeight& h : score.heads) {
      text += fmt::format("{}{}.{}={:g}", text.empty() ? "heads:" : ",", h.layer, h.head, h.weight);
    }
    return text + print_window(score);
  }
  std::string describe(const ImportanceScore& score) const override {
    return fmt::format("{} heads", score.heads.size());
  }
  void check(const ImportanceScore& score, const model::Hyperparameters& h) const override {
    for (const HeadWeight& head : score.heads) {
      if (head.layer > h.kv_layers() && head.layer <= h.layers) {
        fail(ErrorCode::usage,
             "--score heads: layer {} reads keys and values of an earlier layer, behind every cut; "
             "name heads of layers 1 to {}",
             head.layer, h.kv_layers());
      }
      if (head.layer > h.layers || head.head > h.heads) {
        fail(ErrorCode::usage,
             "--score heads: there is no head {}.{}; this model has {} layers of {}", head.layer,
             head.head, h.layers, h.heads);
      }
      if (!h.full_attention(head.layer - 1)) {
        fail(ErrorCode::usage,
             "--score heads: layer {} does not see all tokens (it has a sliding window or a "
             "convolution) and cannot score them",
             head.layer);
      }
    }
  }
  std::unique_ptr<LayerScores> carry(const ImportanceScore& score,
                                     std::span<const int> pruning_layers,
                                     int heads) const override {
    return std::make_unique<HeadsScore>(score, pruning_layers, heads);
  }
};

}  // namespace

const ScoreForm& heads_score() {
  static const HeadsForm form;
  return form;
}

}  // namespace lazyllm::lazy
