// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/cpu_backend.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#if defined(__linux__)
#include <sched.h>
#endif

#include "base/error.h"
#include "kernels/cpu/matmul.h"
#include "kernels/cpu/packed_weight.h"
#include "kernels/cpu/parallel.h"

namespace lazyllm::kernels {
namespace cpu {
namespace {

// Values that one thread goes through in the time that waking another takes.
constexpr int64_t kInlineValues = 16384;

// More than any machine is known to have; all of them would wait for one another.
constexpr int kMostThreads = 1024;

// Cores that this process may use; a container or taskset may have taken some away.
int default_threads() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return std::clamp(CPU_COUNT(&set), 1, kMostThreads);
  }
#endif
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostThreads);
}

}  // namespace

CpuBackend::CpuBackend(Isa isa, int threads)
    : isa_(isa),
      row_kernels_(row_kernels(isa)),
      kv_row_kernels_(kv_row_kernels(isa)),
      pool_(threads > 0 ? threads : default_threads()),
      attention_(isa, pool_) {}

std::string CpuBackend::describe_kernel(StorageType type) const {
  return describe_matmul(isa_, type);
}

Buffer CpuBackend::allocate(size_t bytes) const {
  return Buffer(allocate_aligned(bytes).release(), bytes, std::free);
}

void CpuBackend::upload(const float* host, float* device, size_t count) const {
  if (count > 0) std::memcpy(device, host, count * sizeof(float));
}

void CpuBackend::download(const float* device, float* host, size_t count) const {
  if (count > 0) std::memcpy(host, device, count * sizeof(float));
}

void CpuBackend::copy(const Buffer& from, const Buffer& to) const {
  LAZYLLM_CHECK(from.bytes() == to.bytes());
  if (from.bytes() > 0) std::memcpy(to.data(), from.data(), from.bytes());
}

std::unique_ptr<const Weight> CpuBackend::load_weight(std::span<const WeightSource> sources,
                                                      bool drop_source) const {
  return pack_weight(sources, drop_source, pool_);
}

void CpuBackend::embed(const WeightSource& table, std::span<const int32_t> tokens, float scale,
                       FloatRows out, int64_t first_column) const {
  cpu::embed(pool_, table, tokens, scale, out, first_column);
}

void CpuBackend::matmul(ConstFloatRows in, std::span<const MatmulTarget> targets) const {
  cpu::matmul(isa_, pool_, in, targets);
}

int CpuBackend::input_bytes(const Weight& weight) const {
  return cpu::input_bytes(isa_, weight);
}

template <typename Body>
void CpuBackend::for_rows(int64_t rows, int64_t columns, Body body) const {
  const int64_t block = std::clamp<int64_t>(kInlineValues / std::max<int64_t>(columns, 1), 1,
                                            std::max<int64_t>(rows, 1));
  auto block_body = [&](int64_t index, int) {
    const int64_t end = std::min(rows, (index + 1) * block);
    for (int64_t r = index * block; r < end; ++r) body(r);
  };
  parallel_for(pool_, (rows + block - 1) / block, true, block_body);
}

void CpuBackend::rms_norm(ConstFloatRows in, const float* gamma, float epsilon,
                          FloatRows out) const {
  for_rows(in.rows, in.columns, [&](int64_t r) {
    row_kernels_.rms_norm(in.row(r), gamma, epsilon, in.columns, out.row(r));
  });
}

void CpuBackend::rope(FloatRows rows, int heads, int head_dim, std::span<const int32_t> positions,
                      const RopeTable& table) const {
  const int64_t entry = table.rotated / 2 * 2;
  for_rows(rows.rows, int64_t{heads} * head_dim, [&](int64_t r) {
    const int64_t position = positions[static_cast<size_t>(r)];
    LAZYLLM_CHECK(position >= 0 && position < table.positions);
    row_kernels_.rope(rows.row(r), heads, head_dim, table.cos_sin + position * entry, table.rotated,
                      table.interleaved);
  });
}

void CpuBackend::gated_activation(Activation activation, ConstFloatRows gate, ConstFloatRows up,
                                  FloatRows out) const {
  const auto kernel = activation == Activation::silu        ? row_kernels_.silu_times
                      : activation == Activation::gelu_tanh ? row_kernels_.gelu_tanh_times
                                                            : row_kernels_.clamped_swiglu;
  for_rows(gate.rows, gate.columns,
           [&](int64_t r) { kernel(gate.row(r), up.row(r), gate.columns, out.row(r)); });
}

void CpuBackend::add(FloatRows rows, ConstFloatRows other) const {
  for_rows(rows.rows, rows.columns,
           [&](int64_t r) { row_kernels_.add(rows.row(r), other.row(r), rows.columns); });
}

void CpuBackend::multiply(FloatRows rows, ConstFloatRows other) const {
  for_rows(rows.rows, rows.columns,
           [&](int64_t r) { row_kernels_.multiply(rows.row(r), other.row(r), rows.columns); });
}

void CpuBackend::convolve(const ConvolutionInput& input, FloatRows out) const {
  const KvLayout& layout = input.cache.layout;
  const auto taps = static_cast<size_t>(input.taps);
  LAZYLLM_CHECK(input.taps <= kMostTaps && layout.k_type == CacheType::f32 &&
                input.slots.size() == static_cast<size_t>(out.rows) * taps);
  for_rows(out.rows, input.taps * out.columns, [&](int64_t r) {
    std::array<const float*, kMostTaps> inputs;
    for (size_t tap = 0; tap < taps; ++tap) {
      const int32_t slot = input.slots[static_cast<size_t>(r) * taps + tap];
      inputs[tap] = slot < 0 ? nullptr
                             : reinterpret_cast<const float*>(
                                   input.cache.blocks[static_cast<size_t>(slot / kKvBlockSlots)] +
                                   layout.key_offset(0, slot % kKvBlockSlots));
    }
    row_kernels_.convolve(inputs.data(), input.taps, input.weights, input.bias, input.gate.row(r),
                          out.columns, out.row(r));
  });
}

void CpuBackend::gather(std::span<const float* const> rows, FloatRows tile) const {
  const size_t bytes = static_cast<size_t>(tile.columns) * sizeof(float);
  for_rows(static_cast<int64_t>(rows.size()), tile.columns,
           [&](int64_t r) { std::memcpy(tile.row(r), rows[static_cast<size_t>(r)], bytes); });
}

void CpuBackend::scatter(ConstFloatRows tile, std::span<float* const> rows) const {
  const size_t bytes = static_cast<size_t>(tile.columns) * sizeof(float);
  for_rows(static_cast<int64_t>(rows.size()), tile.columns,
           [&](int64_t r) { std::memcpy(rows[static_cast<size_t>(r)], tile.row(r), bytes); });
}

void CpuBackend::scatter_add(ConstFloatRows tile, std::span<const float> scales,
                             std::span<float* const> rows) const {
  for_rows(static_cast<int64_t>(rows.size()), tile.columns, [&](int64_t r) {
    const float scale = scales[static_cast<size_t>(r)];
    const float* const from = tile.row(r);
    float* const to = rows[static_cast<size_t>(r)];
    for (int64_t c = 0; c < tile.columns; ++c) to[c] += scale * from[c];
  });
}

void CpuBackend::append_kv(const KvLayerView& cache, std::span<const int32_t> slots,
                           ConstFloatRows k, ConstFloatRows v) const {
  const KvLayout& layout = cache.layout;
  const int64_t columns = int64_t{layout.kv_heads} * layout.head_dim;
  for_rows(static_cast<int64_t>(slots.size()), 2 * columns, [&](int64_t r) {
    const auto slot = static_cast<size_t>(slots[static_cast<size_t>(r)]);
    std::byte* block = cache.blocks[slot / kKvBlockSlots];
    const int index = static_cast<int>(slot % kKvBlockSlots);
    for (int head = 0; head < layout.kv_heads; ++head) {
      const int64_t column = int64_t{head} * layout.head_dim;
      kv_row_kernels_.encode(layout.k_type, k.row(r) + column, layout.head_dim,
                             block + layout.key_offset(head, index));
      if (!layout.has_values) continue;
      kv_row_kernels_.encode(layout.v_type, v.row(r) + column, layout.head_dim,
                             block + layout.value_offset(head, index));
    }
  });
}

void CpuBackend::move_kv(const KvLayerView& from, std::span<const int32_t> from_slots,
                         std::span<const int32_t> from_positions, const KvLayerView& to,
                         std::span<const int32_t> to_slots, std::span<const int32_t> to_positions,
                         const RopeTable* table) const {
  const KvLayout& layout = from.layout;
  for_rows(static_cast<int64_t>(from_slots.size()), 2 * int64_t{layout.kv_heads} * layout.head_dim,
           [&](int64_t r) {
             const auto row = static_cast<size_t>(r);
             const auto source = static_cast<size_t>(from_slots[row]);
             const auto target = static_cast<size_t>(to_slots[row]);
             const std::byte* const old_block = from.blocks[source / kKvBlockSlots];
             std::byte* const new_block = to.blocks[target / kKvBlockSlots];
             const int old_index = static_cast<int>(source % kKvBlockSlots);
             const int new_index = static_cast<int>(target % kKvBlockSlots);
             const bool turns = table != nullptr && from_positions[row] != to_positions[row];
             for (int head = 0; head < layout.kv_heads; ++head) {
               const std::byte* const key = old_block + layout.key_offset(head, old_index);
               std::byte* const moved = new_block + layout.key_offset(head, new_index);
               if (turns) {
                 turn_key(kv_row_kernels_, layout, *table, from_positions[row], to_positions[row],
                          key, moved);
               } else {
                 std::memcpy(moved, key, layout.k_row_bytes());
               }
               std::memcpy(new_block + layout.value_offset(head, new_index),
                           old_block + layout.value_offset(head, old_index), layout.v_row_bytes());
             }
           });
}

void CpuBackend::attention(const AttentionInput& input, FloatRows out) const {
  const std::lock_guard lock(attention_mutex_);
  attention_.attend(input, out);
}

void CpuBackend::attention_scores(const AttentionInput& input, ScoreKind kind,
                                  std::span<float> scores) const {
  const std::lock_guard lock(attention_mutex_);
  attention_.score(input, kind, scores);
}

void CpuBackend::key_similarities(const KeySimilarityInput& input, std::span<float> scores) const {
  const std::lock_guard lock(attention_mutex_);
  attention_.compare_keys(input, scores);
}

}  // namespace cpu

std::vector<std::string> available_isas() {
  std::vector<std::string> names;
  for (const cpu::Isa isa : cpu::detect_isas()) names.emplace_back(cpu::name(isa));
  return names;
}

std::unique_ptr<Backend> create_cpu_backend(std::string_view isa, int threads) {
  if (threads > cpu::kMostThreads) {
    fail(ErrorCode::usage, "-t {}: at most {} threads", threads, cpu::kMostThreads);
  }
  return std::make_unique<cpu::CpuBackend>(cpu::choose_isa(isa), threads);
}

}  // namespace lazyllm::kernels
