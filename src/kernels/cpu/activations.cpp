// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/activations.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <new>

namespace lazyllm::kernels::cpu {
namespace {

struct ExtraKind {
  int scale_columns;
  int offset;  // 0: the scaled sum for a minimum
};
constexpr ExtraKind kExtraKinds[] = {{32, 0}, {32, 8}, {32, 16}, {32, 128},
                                     {16, 0}, {16, 4}, {16, 32}};

}  // namespace

void* Scratch::get_bytes(int64_t bytes) {
  if (bytes > bytes_) {
    constexpr int64_t kUnit = 4096;
    const int64_t rounded = (bytes + kUnit - 1) / kUnit * kUnit;
    data_.reset();
    bytes_ = 0;
    data_.reset(static_cast<std::byte*>(std::aligned_alloc(64, static_cast<size_t>(rounded))));
    if (data_ == nullptr) throw std::bad_alloc();
    bytes_ = rounded;
  }
  return data_.get();
}

int QuantisedActivations::kind_of(const PackedFormat& format) {
  for (int kind = 0; kind < kKinds; ++kind) {
    if (kExtraKinds[kind].scale_columns == format.scale_columns &&
        kExtraKinds[kind].offset == format.offset) {
      return kind;
    }
  }
  return 0;
}

const void* QuantisedActivations::extras(const PackedFormat& format, int64_t panel,
                                         int64_t group) const {
  const int64_t parts = kGroupColumns / format.scale_columns;
  return extras_[kind_of(format)] + (panel * groups_ + group) * parts * kPanelRows;
}

void QuantisedActivations::fill_extras(int kind, int64_t panel) {
  const int parts = kGroupColumns / kExtraKinds[kind].scale_columns;
  const int offset = kExtraKinds[kind].offset;
  const int32_t* sums = sums_ + panel * groups_ * 2 * kPanelRows;
  const float* scales = scales_ + panel * groups_ * kPanelRows;
  int32_t* out = extras_[kind] + panel * groups_ * parts * kPanelRows;
  for (int64_t g = 0; g < groups_; ++g) {
    for (int part = 0; part < parts; ++part) {
      for (int r = 0; r < kPanelRows; ++r) {
        const int32_t* both = sums + 2 * g * kPanelRows + r;
        const int32_t sum = parts == 2 ? both[part * kPanelRows] : both[0] + both[kPanelRows];
        int32_t& extra = out[(g * parts + part) * kPanelRows + r];
        extra = offset != 0
                    ? -offset * sum
                    : std::bit_cast<int32_t>(scales[g * kPanelRows + r] * static_cast<float>(sum));
      }
    }
  }
}

void QuantisedActivations::prepare_panel(const MatmulKernels& kernels, ConstFloatRows in,
                                         int64_t panel) {
  const int64_t first = panel * kPanelRows;
  const int rows = static_cast<int>(std::min<int64_t>(kPanelRows, in.rows - first));
  float* scales = scales_ + panel * groups_ * kPanelRows;
  int32_t* sums = sums_ + panel * groups_ * 2 * kPanelRows;
  if (rows < kPanelRows) {  // fill_extras() reads all six
    std::fill_n(scales, groups_ * kPanelRows, 0.0f);
    std::fill_n(sums, groups_ * 2 * kPanelRows, 0);
  }
  kernels.quantize_panel(in.row(first), in.stride, rows, groups_,
                         quants_ + panel * groups_ * kActivationGroupBytes, scales, sums);
  for (int kind = 0; kind < kKinds; ++kind) {
    if (used_[kind]) fill_extras(kind, panel);
  }
}

void QuantisedActivations::prepare(const MatmulKernels& kernels, ThreadPool& pool,
                                   ConstFloatRows in,
                                   std::span<const PackedFormat* const> formats) {
  std::fill_n(used_, kKinds, false);
  bool any = false;
  for (const PackedFormat* format : formats) {
    if (format->is_float()) continue;
    used_[kind_of(*format)] = true;
    any = true;
  }
  if (!any) return;
  groups_ = in.columns / kGroupColumns;
  const int64_t panels = (in.rows + kPanelRows - 1) / kPanelRows;
  const int64_t entries = panels * groups_ * kPanelRows;
  quants_ = quant_memory_.get<int8_t>(entries * kGroupColumns);
  scales_ = scale_memory_.get<float>(entries);
  sums_ = sum_memory_.get<int32_t>(entries * 2);
  for (int kind = 0; kind < kKinds; ++kind) {
    const int parts = kGroupColumns / kExtraKinds[kind].scale_columns;
    if (used_[kind]) extras_[kind] = extra_memory_[kind].get<int32_t>(entries * parts);
  }
  const auto body = [&](int64_t panel, int) { prepare_panel(kernels, in, panel); };
  pool.parallel_for(panels, std::ref(body));
}

}  // namespace lazyllm::kernels::cpu
