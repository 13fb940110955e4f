// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/cpu/attention_kernel.h"
#include "kernels/cpu/scratch.h"

namespace lazyllm::kernels::cpu {

/// Attention over all rows, cut into tasks for the threads. Owns the working
/// memory, so that calls allocate nothing once it has grown. One call at a time.
class Attention {
 public:
  Attention(Isa isa, ThreadPool& pool);

  /// See Backend::attention.
  void attend(const AttentionInput& input, FloatRows out);

  /// See Backend::attention_scores.
  void score(const AttentionInput& input, ScoreKind kind, std::span<float> scores);

  /// See Backend::key_similarities.
  void compare_keys(const KeySimilarityInput& input, std::span<float> scores);

 private:
  struct Call;
  void attend_tiles(const Call& call, FloatRows out);
  void attend_chunks(const Call& call, FloatRows out);
  void measure_values(const AttentionInput& input);
  void score_row(const AttentionInput& input, const Call& call, ScoreKind kind,
                 std::span<float> scores);

  Isa isa_;
  const AttentionKernels& kernels_;
  ThreadPool& pool_;
  std::vector<Scratch> worker_scratch_;  ///< one for each thread
  Scratch shared_scratch_;
  Scratch norm_scratch_;  ///< of ScoreKind::value: [kv_heads][keys], then [keys]
};

}  // namespace lazyllm::kernels::cpu
