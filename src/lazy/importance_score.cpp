// SPDX-License-Identifier: Apache-2.0
#include "lazy/importance_score.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <tuple>

#include "base/error.h"

namespace lazyllm::lazy {
namespace {

constexpr int kMostQueries = 4096;

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  fail(ErrorCode::usage,
       "--score {}: {}; write last, window:W, ahead, ahead:N, heads:LAYER.HEAD=WEIGHT,..., "
       "accumulate:N or peak:N, the last three also with @W for a window of W queries",
       text, why);
}

template <typename T>
bool parse_number(std::string_view text, T& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return !text.empty() && parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

int parse_count(std::string_view text, std::string_view number, int most, const char* why) {
  int count = 0;
  if (!parse_number(number, count) || count < 1 || count > most) refuse(text, why);
  return count;
}

/// "LAYER.HEAD" or "LAYER.HEAD=WEIGHT"
HeadWeight parse_head(std::string_view text, std::string_view part) {
  HeadWeight head;
  const size_t equals = std::min(part.find('='), part.size());
  const size_t dot = std::min(part.find('.'), equals);
  const bool named = dot < equals && parse_number(part.substr(0, dot), head.layer) &&
                     parse_number(part.substr(dot + 1, equals - dot - 1), head.head);
  const bool weighed = equals == part.size() || parse_number(part.substr(equals + 1), head.weight);
  if (!named || head.layer < 1 || head.head < 1) refuse(text, "a head is LAYER.HEAD, from 1 on");
  if (!weighed || !(head.weight > 0.0f) || !std::isfinite(head.weight)) {
    refuse(text, "a head's weight is a number above 0");
  }
  return head;
}

std::vector<HeadWeight> parse_heads(std::string_view text, std::string_view list) {
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
  if (twice != heads.end()) refuse(text, "a head is named twice");
  return heads;
}

}  // namespace

void ImportanceScore::parse(std::string_view text) {
  const int kept_pool = pool;
  *this = {};
  pool = kept_pool;
  if (text == "last") return;
  if (text == "ahead") {
    kind = Kind::ahead;
    layers = kAllLayers;
    return;
  }
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) refuse(text, "this is none of the scores");
  const std::string_view name = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  const char* const bad_window = "W must be a number from 1 to 4096";
  if (name == "window") {
    window = parse_count(text, rest, kMostQueries, bad_window);
    return;
  }
  const char* const bad_layers = "N must be a number of layers, from 1 on";
  if (name == "ahead") {
    kind = Kind::ahead;
    layers = parse_count(text, rest, kAllLayers, bad_layers);
    return;
  }
  if (const size_t at = rest.find('@'); at != std::string_view::npos) {
    window = parse_count(text, rest.substr(at + 1), kMostQueries, bad_window);
    rest = rest.substr(0, at);
  }
  if (name == "heads") {
    kind = Kind::heads;
    heads = parse_heads(text, rest);
  } else if (name == "accumulate" || name == "peak") {
    kind = name == "peak" ? Kind::peak : Kind::accumulate;
    layers = parse_count(text, rest, kAllLayers, bad_layers);
  } else {
    refuse(text, "this is none of the scores");
  }
}

std::string ImportanceScore::to_string() const {
  if (kind == Kind::layer) return window == 1 ? "last" : fmt::format("window:{}", window);
  if (kind == Kind::ahead) return layers == kAllLayers ? "ahead" : fmt::format("ahead:{}", layers);
  std::string text;
  if (kind == Kind::heads) {
    for (const HeadWeight& h : heads) {
      text += fmt::format("{}{}.{}={:g}", text.empty() ? "heads:" : ",", h.layer, h.head, h.weight);
    }
  } else {
    text = fmt::format("{}:{}", kind == Kind::peak ? "peak" : "accumulate", layers);
  }
  return window == 1 ? text : fmt::format("{}@{}", text, window);
}

std::string ImportanceScore::describe() const {
  std::string text = kind == Kind::heads ? fmt::format("{} heads", heads.size()) : to_string();
  return pool == 1
             ? text
             : fmt::format("{}, {} over {}", text, kind == Kind::peak ? "spread" : "pooled", pool);
}

void pool_scores(std::span<float> scores, int pool, std::vector<double>& sums) {
  if (pool <= 1 || scores.empty()) return;
  const auto count = static_cast<int64_t>(scores.size());
  const int64_t reach = pool / 2;
  sums.resize(scores.size() + 1);  // assign() would take new memory at every token
  sums[0] = 0.0;
  for (size_t i = 0; i < scores.size(); ++i) sums[i + 1] = sums[i] + scores[i];
  for (int64_t i = 0; i < count; ++i) {
    const int64_t begin = std::max<int64_t>(0, i - reach), end = std::min(count, i + reach + 1);
    const double sum = sums[static_cast<size_t>(end)] - sums[static_cast<size_t>(begin)];
    scores[static_cast<size_t>(i)] = static_cast<float>(sum / static_cast<double>(end - begin));
  }
}

void spread_scores(std::span<float> scores, int reach, std::vector<float>& scratch) {
  if (reach <= 1 || scores.empty()) return;
  constexpr float kLoss = 0.25f;  // of a score at the end of its reach
  const int64_t count = std::ssize(scores), after = reach / 8, before = reach - 1 - after;
  scratch.resize(scores.size());
  std::copy(scores.begin(), scores.end(), scratch.begin());
  // Distance by distance: these loops run in every decode step, and so they are vectorised.
  for (int64_t d = 1; d <= std::min(before, count - 1); ++d) {
    const float share = 1.0f - kLoss * static_cast<float>(d) / static_cast<float>(before);
    for (int64_t i = d; i < count; ++i) {
      float& target = scores[static_cast<size_t>(i)];
      target = std::max(target, scratch[static_cast<size_t>(i - d)] * share);
    }
  }
  for (int64_t d = 1; d <= std::min(after, count - 1); ++d) {
    const float share = 1.0f - kLoss * static_cast<float>(d) / static_cast<float>(after);
    for (int64_t i = 0; i < count - d; ++i) {
      float& target = scores[static_cast<size_t>(i)];
      target = std::max(target, scratch[static_cast<size_t>(i + d)] * share);
    }
  }
}

void pool_scores(std::span<float> scores, const ImportanceScore& score, PoolScratch& scratch) {
  if (score.kind == ImportanceScore::Kind::peak) {
    spread_scores(scores, score.pool, scratch.scores);
  } else {
    pool_scores(scores, score.pool, scratch.sums);
  }
}

std::unique_ptr<LayerScores> make_layer_scores(const ImportanceScore& score,
                                               std::span<const int> pruning_layers, int heads) {
  switch (score.kind) {
    case ImportanceScore::Kind::layer:
    case ImportanceScore::Kind::ahead:
      return nullptr;
    case ImportanceScore::Kind::heads:
      return make_heads_score(score, pruning_layers, heads);
    case ImportanceScore::Kind::accumulate:
    case ImportanceScore::Kind::peak:
      return make_accumulated_score(score, pruning_layers);
  }
  return nullptr;
}

}  // namespace lazyllm::lazy
