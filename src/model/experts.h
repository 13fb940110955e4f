// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "kernels/backend.h"
#include "model/hyperparameters.h"

namespace lazyllm::model {

/// A gated feed-forward: down * (activation(gate * x) * (up * x)).
struct FeedForwardWeights {
  std::shared_ptr<const kernels::Weight> gate_proj, up_proj;  // [intermediate][hidden]
  std::shared_ptr<const kernels::Weight> down_proj;           // [hidden][intermediate]

  size_t bytes() const { return gate_proj->bytes() + up_proj->bytes() + down_proj->bytes(); }
};

/// Where an expert's matrix lies in the mapped file, or how to make it from what lies there.
struct ExpertSource {
  kernels::WeightSource source;                ///< without data if it is made
  std::function<void(std::byte* out)> make{};  ///< writes the rows in the form of source.type

  size_t bytes() const {
    return static_cast<size_t>(source.rows * row_bytes(source.type, source.columns));
  }
};

/// Gate, up, down.
using ExpertSources = std::array<ExpertSource, 3>;

/// The experts of all layers. As many as fit `budget` bytes stay repacked; of the others, those
/// that were used last: the file stays mapped, and an expert that is not there is repacked when it
/// is wanted. The results do not depend on it. Thread-safe.
class ExpertStore {
 public:
  ExpertStore(const kernels::Backend& backend, size_t budget)
      : backend_(backend), budget_(budget) {}

  /// Of the next layer; repacked at once while they fit. `file` is named in errors.
  /// Errors: Error(invalid_file) for values that are no numbers, here or in get().
  void add_layer(std::vector<ExpertSources> sources, const std::string& file);

  /// `layer` counts the calls of add_layer.
  FeedForwardWeights get(int layer, int expert) const;

  /// What is repacked when as much is as ever will be; of files' bytes, which are nearly the same.
  size_t bytes() const;
  /// Backend::input_bytes of the first expert's gate.
  int input_bytes() const;

 private:
  struct Entry {
    ExpertSources sources;
    FeedForwardWeights weights;                     ///< empty: not repacked
    std::list<std::pair<int, int>>::iterator used;  ///< while repacked
  };

  FeedForwardWeights& repack(int layer, int expert) const;

  const kernels::Backend& backend_;
  size_t budget_;
  std::string file_;
  size_t source_bytes_ = 0;
  mutable std::mutex mutex_;
  mutable std::vector<std::vector<Entry>> layers_;
  mutable std::list<std::pair<int, int>> recent_;  ///< (layer, expert), the last used first
  mutable size_t repacked_bytes_ = 0;
};

/// Memory that a machine can spare for experts.
size_t default_expert_budget();

/// What a row's experts are and what each weighs.
struct RoutedExpert {
  int32_t expert = 0;
  float weight = 0.0f;
};

/// Softmax over a row's router logits, or the sigmoid of each, then the highest `used` of them (of
/// equals, the first), where `selection_bias` [experts] is added for the choice alone, unless it is
/// empty. Ascending by expert.
void choose_experts(std::span<const float> logits, const ExpertParameters& parameters,
                    std::span<const float> selection_bias, std::vector<RoutedExpert>& chosen);

}  // namespace lazyllm::model
