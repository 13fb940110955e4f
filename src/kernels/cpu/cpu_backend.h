// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/cpu/attention.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/kv_rows.h"
#include "kernels/cpu/row_ops.h"

namespace lazyllm::kernels::cpu {

/// The back end that runs on the processor. Its memory is the host's.
class CpuBackend final : public Backend {
 public:
  CpuBackend(Isa isa, int threads);

  std::string_view device() const override { return "cpu"; }
  std::string_view isa() const override { return name(isa_); }
  int threads() const override { return pool_.threads(); }
  std::string describe_kernel(StorageType type) const override;

  Buffer allocate(size_t bytes) const override;
  void upload(const float* host, float* device, size_t count) const override;
  void download(const float* device, float* host, size_t count) const override;
  void copy(const Buffer& from, const Buffer& to) const override;

  std::unique_ptr<const Weight> load_weight(std::span<const WeightSource> sources,
                                            bool drop_source) const override;
  void embed(const WeightSource& table, std::span<const int32_t> tokens, float scale, FloatRows out,
             int64_t first_column) const override;

  void rms_norm(ConstFloatRows in, const float* gamma, float epsilon, FloatRows out) const override;
  void matmul(ConstFloatRows in, std::span<const MatmulTarget> targets) const override;
  int input_bytes(const Weight& weight) const override;
  void rope(FloatRows rows, int heads, int head_dim, std::span<const int32_t> positions,
            const RopeTable& table) const override;
  void gated_activation(Activation activation, ConstFloatRows gate, ConstFloatRows up,
                        FloatRows out) const override;
  void add(FloatRows rows, ConstFloatRows other) const override;
  void multiply(FloatRows rows, ConstFloatRows other) const override;
  void gather(std::span<const float* const> rows, FloatRows tile) const override;
  void scatter(ConstFloatRows tile, std::span<float* const> rows) const override;
  void scatter_add(ConstFloatRows tile, std::span<const float> scales,
                   std::span<float* const> rows) const override;

  void append_kv(const KvLayerView& cache, std::span<const int32_t> slots, ConstFloatRows k,
                 ConstFloatRows v) const override;
  void move_kv(const KvLayerView& from, std::span<const int32_t> from_slots,
               std::span<const int32_t> from_positions, const KvLayerView& to,
               std::span<const int32_t> to_slots, std::span<const int32_t> to_positions,
               const RopeTable* table) const override;
  void attention(const AttentionInput& input, FloatRows out) const override;
  void attention_scores(const AttentionInput& input, ScoreKind kind,
                        std::span<float> scores) const override;
  void convolve(const ConvolutionInput& input, FloatRows out) const override;
  void key_similarities(const KeySimilarityInput& input, std::span<float> scores) const override;

 private:
  /// Calls body(row) for each row; by all threads when rows * columns is worth it.
  template <typename Body>
  void for_rows(int64_t rows, int64_t columns, Body body) const;

  Isa isa_;
  const RowKernels& row_kernels_;
  const KvRowKernels& kv_row_kernels_;
  mutable ThreadPool pool_;
  mutable Attention attention_;  // with scratch memory of its own
  mutable std::mutex attention_mutex_;
};

}  // namespace lazyllm::kernels::cpu
