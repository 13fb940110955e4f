// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/backend.h"

namespace lazyllm::kernels::cpu {

inline constexpr int kTileOutputs = 16;    ///< outputs (rows of the file) of a tile
inline constexpr int kGroupColumns = 32;   ///< columns whose activations share a scale
inline constexpr int kSuperColumns = 256;  ///< columns of a super-block (K-quants)
inline constexpr int kGroupSteps = 8;      ///< k-steps of 4 columns in a group
inline constexpr int kStepBytes = 64;      ///< 16 outputs x 4 columns, one byte each
inline constexpr int kGroupValues = 512;   ///< a group of a tile with one byte per quant

/// How a storage type looks after packing. A quantised value is
///   scale * (q - offset)      or      scale * q + minimum
/// with an unsigned quant q, one scale (and minimum) per `scale_columns` columns.
struct PackedFormat {
  int bits = 0;            ///< bits of a quant: 2, 3, 4, 5, 6 or 8; 0 for float storage
  int scale_columns = 32;  ///< 16 or 32
  int offset = 0;          ///< a power of two, or 0 where there is a minimum
  bool minimum = false;
  bool super = false;     ///< scale = f16 of the super-block * int8 of the group
  bool codebook = false;  ///< the 4-bit code stands for kIq4Values[code] + 128
  bool bf16 = false;      ///< of float storage: BF16

  bool is_float() const { return bits == 0; }
  bool nibble_scales() const { return bits == 2; }  ///< Q2_K: scale and minimum in one byte
};
const PackedFormat& packed_format(StorageType type);

/// One matrix of a weight, in tiles of 16 outputs. A tile of a quantised type is
///   scales, padded to 64 bytes:
///     simple: per group    f16 scale[16], (f16 minimum[16])
///     super:  per 256      f16 d[16], (f16 dmin[16]), then
///                          int8 scale[256 / scale_columns][16], (uint8 minimum[..][16])
///                          or, for Q2_K, one byte with the scale in its low nibble
///   quants: per group of 32 columns 64 * bits bytes: the planes of PackedFormat::bits
///     4 bits: 4 vectors of 64 bytes, low nibbles k-step 2i, high nibbles k-step 2i + 1
///     2 bits: 2 vectors, bits 2j and 2j + 1 belong to k-step 4i + j
///     1 bit:  1 vector, bit j belongs to k-step j
///     8 bits: 8 vectors, one per k-step
///     5 = 4 + 1, 6 = 4 + 2, 3 = 2 + 1 (lower bits first)
///   byte b of a vector is output b / 4, column 4 * step + b % 4.
/// A tile of a float type is [columns][16] values of the storage.
/// Outputs past `rows` are zero.
struct PackedMatrix {
  StorageType type = StorageType::f32;
  PackedFormat format;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t scale_bytes = 0;  ///< of a tile
  int64_t tile_bytes = 0;
  std::shared_ptr<std::byte> data;  ///< [tiles()][tile_bytes], 64-byte aligned

  int64_t tiles() const { return (rows + kTileOutputs - 1) / kTileOutputs; }
  int64_t groups() const { return columns / kGroupColumns; }
  int64_t group_bytes() const { return int64_t{64} * format.bits; }
  const std::byte* tile(int64_t t) const { return data.get() + t * tile_bytes; }
  const uint8_t* scales(int64_t t) const { return reinterpret_cast<const uint8_t*>(tile(t)); }
  const uint8_t* quants(int64_t t) const {
    return reinterpret_cast<const uint8_t*>(tile(t) + scale_bytes);
  }
};

/// The Weight of the CPU back end: matrices put one below the other.
class PackedWeight final : public Weight {
 public:
  explicit PackedWeight(std::vector<PackedMatrix> parts);
  int64_t rows() const override { return rows_; }
  int64_t columns() const override { return columns_; }
  size_t bytes() const override { return bytes_; }
  std::span<const PackedMatrix> parts() const { return parts_; }

 private:
  std::vector<PackedMatrix> parts_;
  int64_t rows_ = 0;
  int64_t columns_ = 0;
  size_t bytes_ = 0;
};

/// See Backend::load_weight.
std::unique_ptr<const Weight> pack_weight(std::span<const WeightSource> sources, bool drop_source,
                                          ThreadPool& pool);

}  // namespace lazyllm::kernels::cpu
