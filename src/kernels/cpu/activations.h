// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/scratch.h"

namespace lazyllm::kernels::cpu {

/// The activations of one matmul call in the form that kernels read, made once for all
/// its targets: panels of 6 rows (the last one may have fewer), quantised for quantised
/// weights, interleaved floats for float weights, pairs of BF16 where the ISA multiplies such.
class Activations {
 public:
  /// `formats`: of the weights that will be used.
  void prepare(const MatmulKernels& kernels, ThreadPool& pool, ConstFloatRows in,
               std::span<const PackedFormat* const> formats);

  const int8_t* quants(int64_t panel, int64_t group) const {
    return quants_ + (panel * groups_ + group) * kActivationGroupBytes;
  }
  const float* scales(int64_t panel, int64_t group) const {
    return scales_ + (panel * groups_ + group) * kPanelRows;
  }
  const float* floats(int64_t panel, int64_t column) const {
    return floats_ + (panel * columns_ + column) * kPanelRows;
  }
  /// `column` is even.
  const uint16_t* bf16_pairs(int64_t panel, int64_t column) const {
    return bf16_pairs_ + (panel * padded_columns() + column) * kPanelRows;
  }
  /// See QuantProduct::extras.
  const void* extras(const PackedFormat& format, int64_t panel, int64_t group) const;

 private:
  /// What a format needs to know of the sums of the quants. Formats that agree share it.
  static constexpr int kKinds = 7;
  static int kind_of(const PackedFormat& format);
  void prepare_panel(const MatmulKernels& kernels, ConstFloatRows in, int64_t panel);
  void fill_extras(int kind, int64_t panel);
  int64_t padded_columns() const { return (columns_ + 1) / 2 * 2; }

  bool any_floats_ = false;
  bool any_bf16_ = false;
  bool any_quants_ = false;
  int64_t columns_ = 0;
  int64_t groups_ = 0;
  float* floats_ = nullptr;         // [panels][columns][6]
  uint16_t* bf16_pairs_ = nullptr;  // [panels][pairs of columns][6][2]
  int8_t* quants_ = nullptr;        // [panels][groups][8 steps][6][4]
  float* scales_ = nullptr;         // [panels][groups][6]
  int32_t* sums16_ = nullptr;       // [panels][2 * groups][6]
  int32_t* sums32_ = nullptr;       // [panels][groups][6]
  bool used_[kKinds] = {};
  int32_t* extras_[kKinds] = {};  // [panels][scale groups][6], int32 or float bits
  Scratch float_memory_, bf16_memory_, quant_memory_, scale_memory_, sum16_memory_, sum32_memory_,
      extra_memory_[kKinds];
};

}  // namespace lazyllm::kernels::cpu
