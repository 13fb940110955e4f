// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::lazy {

/// After `layer` layers (1-based: after layer number `layer`) the share `keep` of
/// the current token set stays.
struct PruningPoint {
  int layer = 0;
  double keep = 1.0;
  bool operator==(const PruningPoint&) const = default;
};

/// The pruning layers with their keep ratios, in rising order of layers (paper, section 3.1).
using Schedule = std::vector<PruningPoint>;

/// Parses "9:0.7,19:0.7,28:0.7". Checks form and order, not the layer count.
/// Errors: Error(usage) quoting the part that cannot be meant.
Schedule parse_schedule(std::string_view text);

/// Layers must lie in 1 .. L-1 and be full-attention layers, where the last token sees every key.
/// `full_attention` holds the L layers with keys and values of their own, `layers` counts those
/// behind, too, which read theirs; 0: there are none.
/// Errors: Error(usage) naming the layer and what is possible.
void check_schedule(const Schedule& schedule, const std::vector<bool>& full_attention,
                    int layers = 0);

std::string to_string(const Schedule& schedule);

/// A schedule given in fractions of the depth, so that any layer count works.
/// Each point is moved to the nearest full-attention layer in 1 .. L-1; points that
/// fall together are merged (their keep ratios multiplied).
Schedule scale_schedule(std::span<const std::pair<double, double>> fractions,
                        const std::vector<bool>& full_attention);

}  // namespace lazyllm::lazy
