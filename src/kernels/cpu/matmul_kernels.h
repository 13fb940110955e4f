// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/storage_type.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/packed_weight.h"

// What an instruction set provides to matmul.cpp. Everything here works on a few rows
// of activations ("a panel") and one to four tiles of 16 outputs.
//
// The arithmetic of one (row, output), the same in every kernel of an ISA, whatever
// the number of rows and tiles:
//   for each group of columns that share a weight scale, in rising order:
//     dot = start + sum over the group of activation quant * weight quant    (integers, exact)
//     sum = sum + float(dot) * (activation scale * weight scale)
//     sum = sum + (activation scale * sum of activation quants) * minimum    (if there is one)
// where start = -offset * sum of activation quants; float weights: sum = sum + in * weight
// in rising order of columns. "a + b * c" is one FMA where the ISA has it. BF16 weights on an ISA
// with Bf16Kernels: in rounded to BF16, two columns at once, in rising order of pairs.
namespace lazyllm::kernels::cpu {

inline constexpr int kPanelRows = 6;   ///< rows of a panel
inline constexpr int kPanelTiles = 2;  ///< tiles a kernel can take at once
/// The same of BF16 dot products. They take longer than others, so their kernel needs more sums to
/// be always busy (on a Zen 5, 24 instead of 12: 12 % faster).
inline constexpr int kBf16PanelTiles = 4;
/// float bits of 2^-100: groups whose values are all smaller count as zero, so that
/// 127 / max |x| stays finite.
inline constexpr uint32_t kTinyActivation = 27u << 23;
inline constexpr int kActivationGroupBytes = kPanelRows * kGroupColumns;

/// Operands of a product of one panel of rows with quantised weights.
struct QuantProduct {
  const PackedFormat* format;
  int rows;                      ///< 1 .. 6, as the kernel was asked for
  int tiles;                     ///< 1 .. 2
  const int8_t* quants;          ///< [groups][8 steps][6 rows][4 columns]
  const float* scales;           ///< [groups][6]
  const void* extras;            ///< [scale groups][6]: int32 start, or float scale * sum
  const uint8_t* weights;        ///< the planes of a tile, or an unpacked panel
  const float* weight_scales;    ///< [scale groups][tiles][16]
  const float* weight_minimums;  ///< the same
  int64_t groups;                ///< groups of 32 columns
  float* sums;                   ///< [rows][sums_stride]
  int64_t sums_stride;
  bool first;                  ///< start from 0 instead of `sums`
  int64_t prefetch_bytes = 0;  ///< how far ahead to ask for weights; 0: leave it to the processor
};
using QuantKernel = void (*)(const QuantProduct&);

/// Operands of a product of one panel of rows with float weights.
struct FloatProduct {
  int rows;             ///< 1 .. 6, as the kernel was asked for
  int tiles;            ///< 1 .. 2
  const float* in;      ///< [columns][6 rows]
  const void* weights;  ///< [columns][16] of the storage type, or [columns][tiles][16] float
  int64_t columns;
  float* sums;
  int64_t sums_stride;
  bool first;
};
using FloatKernel = void (*)(const FloatProduct&);

/// Operands of a product of one panel of rows with BF16 weights.
struct Bf16Product {
  int rows;             ///< 1 .. 6, as the kernel was asked for
  int tiles;            ///< 1 .. 4
  const uint16_t* in;   ///< [pairs of columns][6 rows][2]; a column past the last one is 0
  const void* weights;  ///< [columns][16], or [pairs of columns][tiles][16][2]
  int64_t columns;
  float* sums;
  int64_t sums_stride;
  bool first;
};
using Bf16Kernel = void (*)(const Bf16Product&);

struct Bf16Kernels {
  /// Rounds `rows` <= 6 rows to nearest even, as Bf16Product::in; entries of missing rows stay
  /// undefined.
  void (*round_panel)(const float* in, int64_t in_stride, int rows, int64_t columns, uint16_t* out);
  /// Columns of a tile in pairs: pair k to out + k * stride.
  void (*unpack)(const std::byte* values, int64_t columns, uint16_t* out, int64_t stride);
  Bf16Kernel (*panel_kernel)(int rows, int tiles);
  /// On the packed form of one tile: for few rows.
  Bf16Kernel (*direct_kernel)(int rows);
};

struct MatmulKernels {
  /// Quantises `rows` <= 6 rows of groups * 32 columns: x ~ scale * quant with
  /// scale = max |x| / 127 and quants rounded to nearest even. The sums of the quants go
  /// to sums16 ([2 * groups][6]) and sums32 ([groups][6]). Values that are not finite make
  /// the scale not finite. Missing rows have scale and sums of 0.
  void (*quantize_panel)(const float* in, int64_t in_stride, int rows, int64_t groups,
                         int8_t* quants, float* scales, int32_t* sums16, int32_t* sums32);

  /// Scales and minimums of `groups` groups of a tile as floats, from the scales of the
  /// whole tile; first_group is a multiple of 8. Scale group i goes to scales + i * stride.
  void (*decode_scales)(const PackedFormat& format, const uint8_t* tile_scales, int64_t first_group,
                        int64_t groups, float* scales, float* minimums, int64_t stride);

  /// Unpacks groups into the form that panel_kernel takes: group g to out + g * stride.
  void (*unpack_quants)(const PackedFormat& format, const uint8_t* planes, int64_t groups,
                        uint8_t* out, int64_t stride);
  /// Columns of a tile to float: column k to out + k * stride.
  void (*unpack_floats)(StorageType type, const std::byte* values, int64_t columns, float* out,
                        int64_t stride);

  /// On unpacked weights: groups of [tiles][panel_group_bytes].
  QuantKernel (*panel_kernel)(const PackedFormat& format, int rows, int tiles);
  /// Straight on the planes of one tile: for few rows.
  QuantKernel (*direct_kernel)(const PackedFormat& format, int rows);
  FloatKernel (*float_panel_kernel)(int rows, int tiles);
  FloatKernel (*float_direct_kernel)(StorageType type, int rows);
  int64_t panel_group_bytes;          ///< of an unpacked group of a tile: 32 x 16 values
  const char* description;            ///< of the integer arithmetic: "int8 VNNI"
  const Bf16Kernels* bf16 = nullptr;  ///< null: BF16 weights are multiplied as float32

  /// Whether activations are wanted as Bf16Product::in.
  bool multiplies_as_bf16(const PackedFormat& format) const {
    return bf16 != nullptr && format.bf16;
  }
  int panel_tiles(const PackedFormat& format) const {
    return multiplies_as_bf16(format) ? kBf16PanelTiles : kPanelTiles;
  }
};

namespace avx512 {
extern const Bf16Kernels kBf16Kernels;  ///< of AVX-512 BF16
}

// Constants: a set is described on processors that cannot run it.
const MatmulKernels& generic_matmul_kernels();
const MatmulKernels& avx2_matmul_kernels();
const MatmulKernels& avx_vnni_matmul_kernels();
const MatmulKernels& avx512_matmul_kernels();
const MatmulKernels& avx512_bf16_matmul_kernels();

}  // namespace lazyllm::kernels::cpu
