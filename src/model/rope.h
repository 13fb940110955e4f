// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "model/hyperparameters.h"

namespace lazyllm::model {

/// Inverse frequencies [rotated/2], scaling applied, in float32 as the reference
/// implementation (Hugging Face transformers) computes them.
std::vector<float> inverse_frequencies(const RopeParameters& rope);

/// Factor on every rotation (yarn, longrope, or the file's own); 1 otherwise.
float rotation_magnitude(const RopeParameters& rope);

/// Cosines and sines of all positions up to a growing bound, one table per rope of a model.
/// One per session; not thread-safe.
class RopeCache {
 public:
  RopeCache(const Hyperparameters& hyperparameters, const kernels::Backend& backend);

  /// Makes the tables hold positions [0, count).
  void reserve(int64_t count);
  const kernels::RopeTable& table(int rope) const { return tables_[static_cast<size_t>(rope)]; }

 private:
  const std::vector<RopeParameters>& ropes_;
  const kernels::Backend& backend_;
  std::vector<std::vector<float>> inverse_frequencies_;
  std::vector<kernels::Buffer> buffers_;
  std::vector<kernels::RopeTable> tables_;
};

}  // namespace lazyllm::model
