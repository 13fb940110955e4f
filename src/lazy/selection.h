// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace lazyllm::lazy {

/// k = ceil(keep * count), at least 1.
int64_t kept_count(double keep, int64_t count);

/// The fewest tokens, protected ones included, with which the others that stay hold the share
/// `mass` of the others' scores. At most set.size(); the last token counts as protected.
int64_t count_for_mass(std::span<const int32_t> set, std::span<const float> scores, double mass,
                       const std::function<bool(int32_t)>& is_protected,
                       std::vector<float>& scratch);

/// What select() must know of a token beside its score.
enum class Standing : uint8_t {
  stored,     ///< its K,V stand in the next layer already
  in_flight,  ///< was computed in this layer and can be carried on
  waiting,    ///< sits in the Aux Cache at this depth: selecting it revives it
};

struct SelectionInput {
  std::span<const int32_t> set;  ///< the current set, rising positions; its last entry always stays
  std::span<const float> scores;  ///< [set]
  int64_t keep = 0;               ///< k
  std::function<bool(int32_t)> is_protected;
  std::function<Standing(int32_t)> standing;
};

/// Chooses tokens. Keeps its memory between calls; one per user.
class Selector {
 public:
  /// The k tokens that stay, in rising order, until the next call: protected ones first
  /// (counted in k; all of them stay even if they are more than k), then by descending score, ties
  /// to the later position. A waiting token costs one of `revivals_left` (negative: no limit);
  /// when none is left it is refused and the next-best stored token beyond the first k
  /// takes its place.
  const std::vector<int32_t>& select(const SelectionInput& input, int64_t& revivals_left);

 private:
  struct Candidate {
    float score;
    int32_t token;
  };
  /// Descending score, ties to the later position: a total order, so the outcome is unique.
  static bool ranks_before(const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.token > b.token;
  }

  std::vector<Candidate> guarded_, others_, substitutes_;
  std::vector<int32_t> kept_;
};

}  // namespace lazyllm::lazy
