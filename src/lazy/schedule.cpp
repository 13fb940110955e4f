// SPDX-License-Identifier: Apache-2.0
#include "lazy/schedule.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/error.h"

namespace lazyllm::lazy {
namespace {

[[noreturn]] void refuse(std::string_view text, std::string_view part, std::string_view why) {
  fail(ErrorCode::usage,
       "--prune {}: '{}' {}; write LAYER:KEEP,... such as 9:0.7,19:0.7 or the name of a preset",
       text, part, why);
}

PruningPoint parse_point(std::string_view text, std::string_view part) {
  const size_t colon = part.find(':');
  if (colon == std::string_view::npos) refuse(text, part, "has no colon");
  PruningPoint point;
  const std::string_view layer = part.substr(0, colon);
  const auto parsed = std::from_chars(layer.data(), layer.data() + layer.size(), point.layer);
  if (parsed.ec != std::errc() || parsed.ptr != layer.data() + layer.size() || point.layer < 0) {
    refuse(text, part, "does not begin with a layer number");
  }
  const std::string_view keep = part.substr(colon + 1);
  const auto share = std::from_chars(keep.data(), keep.data() + keep.size(), point.keep);
  const bool number = share.ec == std::errc() && share.ptr == keep.data() + keep.size();
  if (!number || !(point.keep > 0.0 && point.keep <= 1.0)) {
    refuse(text, part, "does not end with a share above 0 and at most 1");
  }
  return point;
}

std::string possible_layers(const std::vector<bool>& full_attention) {
  std::string list;
  for (size_t layer = 1; layer < full_attention.size(); ++layer) {
    if (!full_attention[layer - 1]) continue;
    if (!list.empty()) list += ", ";
    list += std::to_string(layer);
  }
  return list;
}

}  // namespace

Schedule parse_schedule(std::string_view text) {
  Schedule schedule;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, comma - begin);
    const PruningPoint point = parse_point(text, part);
    if (!schedule.empty() && schedule.back().layer >= point.layer) {
      refuse(text, part, "does not come after the layer before it");
    }
    schedule.push_back(point);
    begin = comma + 1;
  }
  return schedule;
}

void check_schedule(const Schedule& schedule, const std::vector<bool>& full_attention,
                    int layers_in_all) {
  const int layers = static_cast<int>(full_attention.size());
  for (const PruningPoint& point : schedule) {
    if (point.layer >= layers && point.layer < layers_in_all) {
      fail(ErrorCode::usage,
           "--prune {}: behind layer {} all layers read keys and values of layers before it, and a "
           "prefill passes them with no more than the last token; this model can prune after "
           "layers 1 to {}",
           to_string(schedule), point.layer, layers - 1);
    }
    if (point.layer < 1 || point.layer >= layers) {
      fail(ErrorCode::usage,
           "--prune {}: layer {} is out of range; this model can prune after layers 1 to {}",
           to_string(schedule), point.layer, layers - 1);
    }
    if (!full_attention[static_cast<size_t>(point.layer) - 1]) {
      fail(
          ErrorCode::usage,
          "--prune {}: layer {} does not see all tokens (it has a sliding window or a convolution) "
          "and cannot score them; this model can prune after layers {}",
          to_string(schedule), point.layer, possible_layers(full_attention));
    }
  }
}

std::string to_string(const Schedule& schedule) {
  std::string text;
  for (const PruningPoint& point : schedule) {
    if (!text.empty()) text += ',';
    text += fmt::format("{}:{}", point.layer, point.keep);
  }
  return text;
}

Schedule scale_schedule(std::span<const std::pair<double, double>> fractions,
                        const std::vector<bool>& full_attention) {
  const int layers = static_cast<int>(full_attention.size());
  Schedule schedule;
  for (const auto& [fraction, keep] : fractions) {
    // The floor reproduces the paper's 9, 19, 28 of 32 for 0.3, 0.6, 0.9.
    const int wanted = static_cast<int>(std::floor(fraction * layers + 1e-9));
    int best = 0;
    for (int layer = 1; layer < layers; ++layer) {
      if (!full_attention[static_cast<size_t>(layer) - 1]) continue;
      if (best == 0 || std::abs(layer - wanted) < std::abs(best - wanted)) best = layer;
    }
    if (best == 0) continue;  // no layer of this model can prune
    if (!schedule.empty() && schedule.back().layer >= best) {
      // Rounded, so that it is printed as a user would write it.
      schedule.back().keep = std::round(schedule.back().keep * keep * 1e4) / 1e4;
    } else {
      schedule.push_back({best, keep});
    }
  }
  return schedule;
}

}  // namespace lazyllm::lazy
