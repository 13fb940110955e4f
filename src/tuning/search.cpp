// SPDX-License-Identifier: Apache-2.0
#include "tuning/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace lazyllm::tuning {
namespace {

/// Values of --score, besides the heads found for a cut; and of those that other policies know.
const std::vector<std::string> kScores = {"last", "window:8", "peak:3@16", "peak:8@32"};
const std::vector<std::string> kScoresOfOthers = {"last", "window:8"};
/// Shares that may stay at a cut; the survey of layers and scores takes the first.
constexpr std::array kShares = {0.3, 0.5, 0.4, 0.2, 0.15, 0.1};
/// Layers surveyed, as shares of the layers; at most so many.
constexpr double kFirstDepth = 0.2, kLastDepth = 0.7;
constexpr int kMostLayers = 8;
/// Of a second cut, as shares of the layers behind the first.
constexpr std::array kSecondDepths = {0.35, 0.6};
constexpr std::array kSecondShares = {0.5};
/// Prompts after which candidates that are far outside of the bound are given up, and by how much.
struct Look {
  size_t prompts;
  double factor;  // of the bound, as TuneBound::risk has it
};
constexpr std::array kLooks = {Look{4, 3.0}, Look{10, 1.7}, Look{24, 1.2}};
constexpr std::ptrdiff_t kFewestPrompts = 10;  // that a candidate is judged by when the time is up
constexpr size_t kSurveyed = 8;                // prompts of the survey
constexpr size_t kLookedAt = 30;               // prompts that the heads are found on
/// The fastest so many places are tried at further shares, of those whose risk at the first share
/// is at most so much: bold ones that want more tokens to stay, likely ones, and safe ones that may
/// do with fewer.
constexpr size_t kPlaces = 2;
constexpr std::array kRisks = {3.0, 1.5, 1.0, 0.6};
constexpr size_t kRefined = 2;       // best single cuts that are varied
constexpr size_t kFinalists = 6;     // that are measured on the held-out prompts
constexpr double kInterval = 1.645;  // standard errors: 90 %
constexpr double kMostBeyond = 2.0;  // of the bound, that a mean may be although its interval holds

std::vector<int> cut_layers(const std::vector<bool>& full_attention) {
  const auto layers = static_cast<int>(full_attention.size());
  std::vector<int> cuts;
  for (int layer = 1; layer < layers; ++layer) {
    const double depth = static_cast<double>(layer) / layers;
    if (full_attention[static_cast<size_t>(layer) - 1] && depth >= kFirstDepth &&
        depth <= kLastDepth) {
      cuts.push_back(layer);
    }
  }
  const int step = (static_cast<int>(cuts.size()) + kMostLayers - 1) / kMostLayers;
  std::vector<int> thinned;
  for (int i = static_cast<int>(cuts.size()) - 1; i >= 0; i -= std::max(step, 1)) {
    thinned.push_back(cuts[static_cast<size_t>(i)]);
  }
  return thinned;
}

/// Neighbours that count, as --score-pool: a peak reaches over what follows it, a mean stays close.
struct Pools {
  int first, other;
};
Pools pools(const std::string& score) {
  return score.starts_with("peak:") ? Pools{41, 65} : Pools{7, 15};
}

bool by_work(const TuneCandidate& a, const TuneCandidate& b) {
  return a.loss.work < b.loss.work;
}

}  // namespace

std::string TuneBound::broken_by(const TuneLoss& loss) const {
  std::string broken;
  const auto outside = [&](bool is_outside, const std::string& what) {
    if (is_outside) broken += (broken.empty() ? "" : ", ") + what;
  };
  outside(loss.kl > most_kl(), fmt::format("KL {:.4f}", loss.kl));
  outside(loss.same_top < least_same_top(),
          fmt::format("same top {:.1f} %", 100.0 * loss.same_top));
  outside(loss.loglik + kInterval * loss.loglik_error < least_loglik() ||
              loss.loglik < kMostBeyond * least_loglik(),
          fmt::format("answer log-likelihood {:+.4f}", loss.loglik));
  outside(loss.needle_loglik < least_needle_loglik(),
          fmt::format("needles' log-likelihood {:+.3f}", loss.needle_loglik));
  outside(loss.recall() < least_recall(), fmt::format("needles {}/{}", loss.found, loss.needles));
  return broken;
}

TuneSearch::TuneSearch(TuneTrials& trials, Options options)
    : trials_(trials), options_(std::move(options)), bound_(options_.max_loss) {
  // Kinds by turns, so that the first few are a look at all of them: needles are lost first, and
  // where records are many they would come last. Of each kind every so many'th prompt first.
  constexpr size_t kStride = 7;
  std::map<TuneKind, std::vector<size_t>> kinds;
  const size_t count = trials_.prompts().size();
  for (size_t start = 0; start < kStride; ++start) {
    for (size_t i = start; i < count; i += kStride) {
      kinds[trials_.prompts()[i].kind].push_back(i);
    }
  }
  for (size_t turn = 0; turn < count; ++turn) {
    for (const auto& [kind, prompts] : kinds) {
      if (turn >= prompts.size()) continue;
      (trials_.prompts()[prompts[turn]].held_out ? held_out_ : calibration_)
          .push_back(prompts[turn]);
    }
  }
}

PruningOptions TuneSearch::first_guess(const std::string& score, int layer, double share) const {
  PruningOptions pruning;
  pruning.policy = options_.policy;
  pruning.prune = fmt::format("{}:{}", layer, share);
  pruning.score = score;
  pruning.score_pool = pools(score).first;
  pruning.protect_first = 4;
  pruning.protect_last = 64;
  pruning.min_prompt = 0;
  if (lazily()) {
    pruning.keep_mass = 0.0;
    pruning.revive_budget = RevivalBudget{2};  // a further token takes no longer than a dense one
  }
  return pruning;
}

PruningOptions TuneSearch::completed(PruningOptions given) const {
  constexpr int kAnyLayer = 1;
  constexpr double kAnyShare = 1.0;
  given.min_prompt = 0;  // as in the search: prompts of all lengths are pruned
  return fill_unset(given, first_guess(given.score.value_or("last"), kAnyLayer, kAnyShare));
}

void TuneSearch::measure(std::span<const PruningOptions> candidates,
                         std::span<const size_t> prompts, const std::string& what,
                         bool within_time) {
  trials_.run(candidates, prompts, [&](size_t done, size_t count) {
    options_.progress(
        fmt::format("{}: {} candidates, prompt {}/{}", what, candidates.size(), done + 1, count));
    return within_time && options_.out_of_time();
  });
}

std::vector<PruningOptions> TuneSearch::near_bound(const std::vector<PruningOptions>& candidates,
                                                   std::span<const size_t> prompts, double factor,
                                                   double most_work) const {
  std::vector<PruningOptions> near;
  for (const PruningOptions& candidate : candidates) {
    const TuneLoss loss = trials_.loss(candidate, prompts);
    if (loss.work <= most_work && bound_.risk(loss) <= factor) {
      near.push_back(candidate);
    }
  }
  return near;
}

void TuneSearch::measure_all(const std::vector<PruningOptions>& candidates,
                             const std::string& what) {
  std::vector<PruningOptions> left = candidates;
  for (const auto& [count, factor] : kLooks) {
    if (count >= calibration_.size() || options_.out_of_time()) break;
    const auto look = std::span<const size_t>(calibration_).first(count);
    measure(left, look, what);
    if (!options_.out_of_time()) left = near_bound(left, look, factor, options_.most_work);
  }
  measure(left, calibration_, what);
  // When the time is up: what all of them were run on, if that is enough to say something.
  int64_t common = std::ssize(calibration_);
  for (const PruningOptions& candidate : left) {
    common = std::min(common, trials_.loss(candidate, calibration_).prompts);
  }
  if (common < std::min(std::ssize(calibration_), kFewestPrompts)) return;
  const auto prompts = std::span<const size_t>(calibration_).first(static_cast<size_t>(common));
  for (const PruningOptions& candidate : left) {
    measured_.push_back({candidate, trials_.loss(candidate, prompts)});
  }
}

/// The heads of the prompts that the survey will measure on, and of some more: each cut its own.
void TuneSearch::calibrate_heads(std::span<const int> cuts) {
  if (cuts.empty()) return;
  const PruningOptions guess = first_guess("last", cuts.front(), kShares.front());
  const int last_cut = *std::max_element(cuts.begin(), cuts.end());
  const HeadCalibration::Options options{last_cut, *guess.score_pool, *guess.protect_first,
                                         *guess.protect_last, kShares.front()};
  const auto prompts =
      std::span<const size_t>(calibration_).first(std::min(calibration_.size(), kLookedAt));
  const auto name = [&](int cut) { return fmt::format("heads of {}, {}", cut, last_cut); };
  for (const int cut : cuts) {
    if (const auto known = trials_.found(name(cut), prompts)) heads_[cut] = *known;
  }
  if (heads_.size() == cuts.size()) return;
  HeadCalibration heads(options);
  for (size_t i = 0; i < prompts.size(); ++i) {
    // Not cut short by the time limit: few prompts would find other heads the next time.
    options_.progress(fmt::format("heads: prompt {}/{}", i + 1, prompts.size()));
    options_.look(heads, trials_.prompts()[prompts[i]]);
  }
  for (const int cut : cuts) {
    heads_[cut] = heads.score(cut);
    trials_.keep_found(name(cut), prompts, heads_[cut]);
  }
}

/// Where to cut and by what score: the layers differ much, and not in their order. Those of
/// least risk at one share, for each gain of speed.
std::vector<TuneSearch::Place> TuneSearch::survey() {
  std::vector<PruningOptions> candidates;
  std::vector<Place> places;
  const std::vector<int> cuts = cut_layers(options_.full_attention);
  if (lazily()) calibrate_heads(cuts);
  for (const int layer : cuts) {
    std::vector<std::string> scores = lazily() ? kScores : kScoresOfOthers;
    if (!heads_[layer].empty()) scores.push_back(heads_[layer]);
    for (const std::string& score : scores) {
      places.push_back({layer, score, {}});
      candidates.push_back(first_guess(score, layer, kShares.front()));
    }
  }
  const auto all = std::span<const size_t>(calibration_);
  const auto first = all.first(std::min(all.size(), kLooks.front().prompts));
  measure(candidates, first, "survey");
  const auto second = all.first(std::min(all.size(), kSurveyed));
  // Also what is too slow yet: a late cut may keep fewer.
  constexpr double kAnyWork = 1.0;
  measure(near_bound(candidates, first, kLooks.front().factor, kAnyWork), second, "survey");
  for (size_t i = 0; i < places.size(); ++i) {
    places[i].loss = trials_.loss(candidates[i], second);
  }
  std::erase_if(places, [&](const Place& p) { return p.loss.prompts < std::ssize(second); });
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.loss.work < b.loss.work; });
  std::vector<Place> best;
  for (const double factor : kRisks) {
    for (size_t taken = 0; taken < kPlaces; ++taken) {
      const auto place = std::find_if(places.begin(), places.end(), [&](const Place& p) {
        return bound_.risk(p.loss) <= factor;
      });
      if (place == places.end()) break;
      best.push_back(*place);
      places.erase(place);
    }
  }
  return best;
}

std::vector<PruningOptions> TuneSearch::single_cuts(const std::vector<Place>& places) const {
  std::vector<PruningOptions> candidates;
  for (const Place& place : places) {
    for (const double share : kShares) {
      if (share < kShares.front() && bound_.risk(place.loss) > 1.0)
        continue;  // it loses too much as it is
      if (share >= kShares.front() && place.loss.work > options_.most_work) continue;  // too slow
      candidates.push_back(first_guess(place.score, place.layer, share));
    }
  }
  return candidates;
}

/// A second cut; what is protected, how much comes back, how wide the pool is.
std::vector<PruningOptions> TuneSearch::refined(const PruningOptions& base) const {
  std::vector<PruningOptions> candidates;
  const auto varied = [&](auto change) { change(candidates.emplace_back(base)); };
  varied([](PruningOptions& p) { p.protect_last = 192; });
  varied([](PruningOptions& p) { p.score_pool = pools(*p.score).other; });
  if (!lazily()) return candidates;
  varied([](PruningOptions& p) { p.revive_budget = RevivalBudget{4}; });
  varied([](PruningOptions& p) { p.keep_mass = 0.95; });
  const auto layers = static_cast<int>(options_.full_attention.size());
  const int first = std::stoi(base.prune);
  int last_tried = first;
  for (const double depth : kSecondDepths) {
    int layer = first + std::max(1, static_cast<int>(depth * (layers - first)));
    while (layer < layers && !options_.full_attention[static_cast<size_t>(layer) - 1]) ++layer;
    if (layer >= layers || layer == last_tried) continue;
    last_tried = layer;
    for (const double share : kSecondShares) {
      varied([&](PruningOptions& p) { p.prune += fmt::format(",{}:{}", layer, share); });
    }
  }
  return candidates;
}

void TuneSearch::run() {
  if (!options_.only.empty()) {
    std::vector<PruningOptions> given;
    for (const PruningOptions& pruning : options_.only) given.push_back(completed(pruning));
    measure(given, calibration_, "given", /*within_time=*/false);
    for (const PruningOptions& pruning : given) {
      measured_.push_back({pruning, trials_.loss(pruning, calibration_)});
    }
    return;
  }
  measure_all(single_cuts(survey()), "one cut");
  std::vector<TuneCandidate> best = admissible();
  if (best.empty()) best = frontier();  // a variation may bring it inside
  best.resize(std::min(best.size(), kRefined));
  std::vector<PruningOptions> variations;
  for (const TuneCandidate& base : best) {
    const std::vector<PruningOptions> more = refined(base.pruning);
    variations.insert(variations.end(), more.begin(), more.end());
  }
  if (!options_.out_of_time()) measure_all(variations, "variations");
}

std::vector<TuneCandidate> TuneSearch::admissible() const {
  std::vector<TuneCandidate> inside;
  for (const TuneCandidate& candidate : measured_) {
    if (bound_.holds(candidate.loss) && candidate.loss.work <= options_.most_work) {
      inside.push_back(candidate);
    }
  }
  std::stable_sort(inside.begin(), inside.end(), by_work);
  return inside;
}

std::vector<TuneCandidate> TuneSearch::frontier() const {
  std::vector<TuneCandidate> sorted = measured_, frontier;
  std::stable_sort(sorted.begin(), sorted.end(), by_work);
  for (TuneCandidate& candidate : sorted) {
    if (frontier.empty() || candidate.loss.kl < frontier.back().loss.kl) {
      frontier.push_back(std::move(candidate));
    }
  }
  return frontier;
}

std::optional<TuneSearch::Choice> TuneSearch::choose() {
  refusals_.clear();
  std::vector<TuneCandidate> finalists = admissible();
  finalists.resize(std::min(finalists.size(), kFinalists));
  std::vector<PruningOptions> candidates;
  for (const TuneCandidate& finalist : finalists) candidates.push_back(finalist.pruning);
  measure(candidates, held_out_, "held-out prompts", /*within_time=*/false);
  for (const TuneCandidate& finalist : finalists) {
    const TuneLoss loss = trials_.loss(finalist.pruning, held_out_);
    std::string broken = bound_.broken_by(loss);
    if (loss.work > options_.most_work) broken += fmt::format(" only {:.2f}x", 1.0 / loss.work);
    if (broken.empty()) return Choice{finalist, loss};
    refusals_.push_back(fmt::format("{}: {}", evaluation::describe(finalist.pruning), broken));
  }
  return std::nullopt;
}

}  // namespace lazyllm::tuning
