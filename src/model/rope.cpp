// SPDX-License-Identifier: Apache-2.0
#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace lazyllm::model {
namespace {

/// Llama 3.1: long wavelengths are stretched, short ones kept, a ramp between.
float scale_llama3(float frequency, const RopeParameters& rope) {
  const double wavelength = 2.0 * std::numbers::pi / frequency;
  const double low = rope.original_context / rope.low_frequency_factor;
  const double high = rope.original_context / rope.high_frequency_factor;
  if (wavelength < high) return frequency;
  if (wavelength > low) return static_cast<float>(frequency / rope.factor);
  const double smooth = (rope.original_context / wavelength - rope.low_frequency_factor) /
                        (rope.high_frequency_factor - rope.low_frequency_factor);
  return static_cast<float>((1.0 - smooth) * frequency / rope.factor + smooth * frequency);
}

/// YaRN (arXiv 2309.00071): dimensions that turn often keep their frequency.
float scale_yarn(float frequency, int pair, const RopeParameters& rope) {
  const auto dimension_of_turns = [&](double turns) {
    return rope.rotated * std::log(rope.original_context / (turns * 2.0 * std::numbers::pi)) /
           (2.0 * std::log(rope.base));
  };
  double low = dimension_of_turns(rope.beta_fast);
  double high = dimension_of_turns(rope.beta_slow);
  if (rope.whole_turns) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, rope.rotated - 1.0);
  if (low == high) high += 0.001;
  const double ramp = std::clamp((pair - low) / (high - low), 0.0, 1.0);
  return static_cast<float>(frequency / rope.factor * ramp + frequency * (1.0 - ramp));
}

}  // namespace

std::vector<float> inverse_frequencies(const RopeParameters& rope) {
  std::vector<float> frequencies(static_cast<size_t>(rope.rotated / 2));
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const auto exponent = static_cast<float>(2 * i) / static_cast<float>(rope.rotated);
    float frequency = static_cast<float>(1.0 / std::pow(static_cast<float>(rope.base), exponent));
    if (!rope.frequency_divisors.empty()) {
      frequency /= rope.frequency_divisors[i];
    } else if (rope.scaling == RopeScaling::linear) {
      frequency = static_cast<float>(frequency / rope.factor);
    } else if (rope.scaling == RopeScaling::llama3) {
      frequency = scale_llama3(frequency, rope);
    } else if (rope.scaling == RopeScaling::yarn) {
      frequency = scale_yarn(frequency, static_cast<int>(i), rope);
    }
    frequencies[i] = frequency;
  }
  return frequencies;
}

float rotation_magnitude(const RopeParameters& rope) {
  double magnitude = 1.0;
  if (rope.attention_factor > 0.0) {
    magnitude = rope.attention_factor;
  } else if (rope.scaling == RopeScaling::yarn && rope.factor > 1.0) {
    magnitude = 0.1 * std::log(rope.factor) + 1.0;
  }
  return static_cast<float>(magnitude * rope.attention_multiplier);
}

RopeCache::RopeCache(const Hyperparameters& hyperparameters, const kernels::Backend& backend)
    : ropes_(hyperparameters.ropes), backend_(backend) {
  for (const RopeParameters& rope : ropes_) {
    inverse_frequencies_.push_back(inverse_frequencies(rope));
    tables_.push_back({.rotated = rope.rotated, .interleaved = rope.interleaved});
  }
  buffers_.resize(ropes_.size());
}

void RopeCache::reserve(int64_t count) {
  for (size_t r = 0; r < ropes_.size(); ++r) {
    kernels::RopeTable& table = tables_[r];
    if (count <= table.positions) continue;
    // Grow in steps, so that decoding does not rebuild the table at every token.
    const int64_t positions = std::max<int64_t>({count, table.positions * 3 / 2, 256});
    const size_t pairs = inverse_frequencies_[r].size();
    const float magnitude = rotation_magnitude(ropes_[r]);
    std::vector<float> host(static_cast<size_t>(positions) * pairs * 2);
    for (int64_t position = 0; position < positions; ++position) {
      float* row = host.data() + static_cast<size_t>(position) * pairs * 2;
      for (size_t i = 0; i < pairs; ++i) {
        const float angle = static_cast<float>(position) * inverse_frequencies_[r][i];
        row[2 * i] = static_cast<float>(std::cos(static_cast<double>(angle))) * magnitude;
        row[2 * i + 1] = static_cast<float>(std::sin(static_cast<double>(angle))) * magnitude;
      }
    }
    buffers_[r] = backend_.allocate(host.size() * sizeof(float));
    backend_.upload(host.data(), buffers_[r].floats(), host.size());
    table.cos_sin = buffers_[r].floats();
    table.positions = positions;
  }
}

}  // namespace lazyllm::model
