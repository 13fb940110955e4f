// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "lazyllm/model.h"

namespace lazyllm {

/// What a snapshot has of a prompt: its first tokens, carried to one depth.
struct CachedPrefix {
  int64_t tokens = 0;
  int depth = 0;
};

/// Operations of a prefill.
struct PrefillOperations {
  double linear = 0.0, attention = 0.0;
};

/// `set_sizes` [layers]: tokens entering each layer (Statistics::kept_per_layer).
PrefillOperations prefill_operations(const Model& model, std::span<const int64_t> set_sizes,
                                     CachedPrefix cached);

/// How fast this machine is, as the last long prefill showed. A plain value.
class PrefillRates {
 public:
  /// Of a prefill that computed `rows` new tokens. Few rows wait for memory and say nothing.
  void note(const PrefillOperations& done, int64_t rows, double linear_ms, double attention_ms);
  bool measured() const { return measured_; }
  /// Before a first measurement the operations themselves: they can be compared all the same.
  double milliseconds(const PrefillOperations& work) const {
    return work.linear * linear_ms_ + work.attention * attention_ms_;
  }

 private:
  double linear_ms_ = 1.0, attention_ms_ = 1.0;  // per operation
  bool measured_ = false;
};

}  // namespace lazyllm
