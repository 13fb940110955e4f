// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "distributed/operations.h"
#include "distributed/remote_memory.h"
#include "distributed/transport.h"
#include "formats/model_file.h"
#include "kernels/backend.h"

namespace lazyllm::distributed {

/// Bytes that went from one rank to another.
struct LinkCount {
  std::atomic<int64_t> rows = 0;   ///< hidden rows
  std::atomic<int64_t> other = 0;  ///< operations, scores, tables
};

/// A back end whose memory and work lie on another rank. Operations are queued and sent in batches;
/// only those that answer wait, so that ranks work at the same time. The bits are those of the
/// CPU back end there, which must have this one's kernels.
class RemoteBackend final : public kernels::Backend {
 public:
  /// What the ranks have in common, on rank 0. Everything outlives the back ends.
  struct Shared {
    Transport& transport;
    const kernels::Backend& home;     ///< of rank 0
    const formats::ModelFile& file;   ///< that every rank has open
    std::function<void()> flush_all;  ///< what waits on any rank may wait for what another is told
    std::function<LinkCount&(int from, int to)> link;
  };

  RemoteBackend(Shared& shared, int rank, std::string host);
  ~RemoteBackend() override;

  int rank() const { return rank_; }
  const std::string& host() const { return host_; }
  /// Sends what is queued.
  void flush() const;
  /// Waits until all is done. Errors: what went wrong there.
  void finish() const override;

  std::string_view device() const override { return "remote"; }
  std::string_view isa() const override { return shared_.home.isa(); }
  int threads() const override { return shared_.home.threads(); }
  std::string describe_kernel(StorageType type) const override {
    return shared_.home.describe_kernel(type);
  }

  kernels::Buffer allocate(size_t bytes) const override;
  void upload(const float* host, float* device, size_t count) const override;
  void download(const float* device, float* host, size_t count) const override;
  void copy(const kernels::Buffer& from, const kernels::Buffer& to) const override;
  void download_rows(std::span<const float* const> rows, int64_t columns,
                     float* host) const override;
  void gather_from(const Backend& other, std::span<const float* const> rows,
                   FloatRows tile) const override;

  std::unique_ptr<const kernels::Weight> load_weight(std::span<const kernels::WeightSource> sources,
                                                     bool drop_source) const override;
  /// Errors: Error(internal): rank 0 has the embeddings.
  void embed(const kernels::WeightSource& table, std::span<const int32_t> tokens, float scale,
             FloatRows out, int64_t first_column) const override;
  void rms_norm(ConstFloatRows in, const float* gamma, float epsilon, FloatRows out) const override;
  void matmul(ConstFloatRows in, std::span<const kernels::MatmulTarget> targets) const override;
  /// Errors: Error(internal): asked of rank 0's weights only.
  int input_bytes(const kernels::Weight& weight) const override;
  void rope(FloatRows rows, int heads, int head_dim, std::span<const int32_t> positions,
            const kernels::RopeTable& table) const override;
  void gated_activation(kernels::Activation activation, ConstFloatRows gate, ConstFloatRows up,
                        FloatRows out) const override;
  void add(FloatRows rows, ConstFloatRows other) const override;
  void multiply(FloatRows rows, ConstFloatRows other) const override;
  void gather(std::span<const float* const> rows, FloatRows tile) const override;
  void scatter(ConstFloatRows tile, std::span<float* const> rows) const override;
  void scatter_add(ConstFloatRows tile, std::span<const float> scales,
                   std::span<float* const> rows) const override;
  void append_kv(const kernels::KvLayerView& cache, std::span<const int32_t> slots,
                 ConstFloatRows k, ConstFloatRows v) const override;
  void move_kv(const kernels::KvLayerView& from, std::span<const int32_t> from_slots,
               std::span<const int32_t> from_positions, const kernels::KvLayerView& to,
               std::span<const int32_t> to_slots, std::span<const int32_t> to_positions,
               const kernels::RopeTable* table) const override;
  void attention(const kernels::AttentionInput& input, FloatRows out) const override;
  void attention_scores(const kernels::AttentionInput& input, kernels::ScoreKind kind,
                        std::span<float> scores) const override;
  void convolve(const kernels::ConvolutionInput& input, FloatRows out) const override;
  void key_similarities(const kernels::KeySimilarityInput& input,
                        std::span<float> scores) const override;

 private:
  class RemoteWeight;

  template <typename Operation>
  void post(Operation operation) const;
  template <typename Operation>
  void request(Operation operation, std::span<float> answer, bool rows = false) const;
  void flush_locked() const;
  void check_working() const;
  void take_answer(std::span<float> answer, bool rows) const;
  MatrixPart part_of(const kernels::WeightSource& source) const;

  Shared& shared_;
  int rank_;
  std::string host_;
  mutable std::mutex queue_mutex_, request_mutex_;
  mutable Message queue_;
  mutable std::atomic<uint64_t> next_weight_ = 1;
  mutable std::atomic<bool> broken_ = false;
  mutable int tiles_ahead_ = 0;  // with request_mutex_: told, their marks not yet heard
  mutable RemoteMemory memory_;
};

}  // namespace lazyllm::distributed
