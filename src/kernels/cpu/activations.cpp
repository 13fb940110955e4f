// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/activations.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace lazyllm::kernels::cpu {
namespace {

struct ExtraKind {
  int scale_columns;
  int offset;  // 0: the scaled sum for a minimum
};
constexpr ExtraKind kExtraKinds[] = {{32, 0}, {32, 8}, {32, 16}, {32, 128},
                                     {16, 0}, {16, 4}, {16, 32}};

}  // namespace

int Activations::kind_of(const PackedFormat& format) {
  for (int kind = 0; kind < kKinds; ++kind) {
    if (kExtraKinds[kind].scale_columns == format.scale_columns &&
        kExtraKinds[kind].offset == format.offset) {
      return kind;
    }
  }
  return 0;
}

const void* Activations::extras(const PackedFormat& format, int64_t panel, int64_t group) const {
  const int64_t parts = kGroupColumns / format.scale_columns;
  return extras_[kind_of(format)] + (panel * groups_ + group) * parts * kPanelRows;
}

void Activations::fill_extras(int kind, int64_t panel) {
  const int parts = kGroupColumns / kExtraKinds[kind].scale_columns;
  const int offset = kExtraKinds[kind].offset;
  const int64_t entries = groups_ * parts * kPanelRows;  // of a panel
  const int32_t* sums = (parts == 2 ? sums16_ : sums32_) + panel * entries;
  int32_t* out = extras_[kind] + panel * entries;
  if (offset != 0) {
    for (int64_t i = 0; i < entries; ++i) out[i] = -offset * sums[i];
    return;
  }
  const float* scales = scales_ + panel * groups_ * kPanelRows;
  if (parts == 1) {
    for (int64_t i = 0; i < entries; ++i) {
      out[i] = std::bit_cast<int32_t>(scales[i] * static_cast<float>(sums[i]));
    }
    return;
  }
  for (int64_t i = 0; i < entries; ++i) {
    const float scale = scales[i / (2 * kPanelRows) * kPanelRows + i % kPanelRows];
    out[i] = std::bit_cast<int32_t>(scale * static_cast<float>(sums[i]));
  }
}

void Activations::prepare_panel(const MatmulKernels& kernels, ConstFloatRows in, int64_t panel) {
  const int64_t first = panel * kPanelRows;
  const int rows = static_cast<int>(std::min<int64_t>(kPanelRows, in.rows - first));
  if (any_floats_) {
    float* out = floats_ + panel * columns_ * kPanelRows;
    for (int r = 0; r < rows; ++r) {
      const float* row = in.row(first + r);
      for (int64_t k = 0; k < columns_; ++k) out[k * kPanelRows + r] = row[k];
    }
  }
  if (any_bf16_) {
    kernels.bf16->round_panel(in.row(first), in.stride, rows, columns_,
                              bf16_pairs_ + panel * padded_columns() * kPanelRows);
  }
  if (!any_quants_) return;
  const int64_t entry = panel * groups_ * kPanelRows;
  kernels.quantize_panel(in.row(first), in.stride, rows, groups_, quants_ + entry * kGroupColumns,
                         scales_ + entry, sums16_ + 2 * entry, sums32_ + entry);
  for (int kind = 0; kind < kKinds; ++kind) {
    if (used_[kind]) fill_extras(kind, panel);
  }
}

void Activations::prepare(const MatmulKernels& kernels, ThreadPool& pool, ConstFloatRows in,
                          std::span<const PackedFormat* const> formats) {
  std::fill_n(used_, kKinds, false);
  any_floats_ = any_bf16_ = any_quants_ = false;
  for (const PackedFormat* format : formats) {
    if (kernels.multiplies_as_bf16(*format)) {
      any_bf16_ = true;
    } else if (format->is_float()) {
      any_floats_ = true;
    } else {
      any_quants_ = true;
      used_[kind_of(*format)] = true;
    }
  }
  columns_ = in.columns;
  groups_ = in.columns / kGroupColumns;
  const int64_t panels = (in.rows + kPanelRows - 1) / kPanelRows;
  if (any_floats_) floats_ = float_memory_.get<float>(panels * columns_ * kPanelRows);
  if (any_bf16_) {
    bf16_pairs_ = bf16_memory_.get<uint16_t>(panels * padded_columns() * kPanelRows);
  }
  if (any_quants_) {
    const int64_t entries = panels * groups_ * kPanelRows;
    quants_ = quant_memory_.get<int8_t>(entries * kGroupColumns);
    scales_ = scale_memory_.get<float>(entries);
    sums16_ = sum16_memory_.get<int32_t>(entries * 2);
    sums32_ = sum32_memory_.get<int32_t>(entries);
    for (int kind = 0; kind < kKinds; ++kind) {
      const int parts = kGroupColumns / kExtraKinds[kind].scale_columns;
      if (used_[kind]) extras_[kind] = extra_memory_[kind].get<int32_t>(entries * parts);
    }
  }
  const auto body = [&](int64_t panel, int) { prepare_panel(kernels, in, panel); };
  pool.parallel_for(panels, std::ref(body));
}

}  // namespace lazyllm::kernels::cpu
