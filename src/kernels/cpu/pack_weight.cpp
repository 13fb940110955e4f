// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/file_mapping.h"
#include "base/float16.h"
#include "kernels/block_codes.h"
#include "kernels/cpu/packed_weight.h"
#include "kernels/cpu/weight_memory.h"
#include "kernels/dequantize.h"

namespace lazyllm::kernels::cpu {
namespace {

// Repacked at once by a thread, and given back at once: small against the memory
// bound, large against the pages that straddle two slices.
constexpr int64_t kSliceBytes = int64_t{2} << 20;

int64_t round_up(int64_t value, int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

[[noreturn]] void fail_not_finite(const WeightSource& source, int64_t row) {
  fail(ErrorCode::invalid_file,
       "tensor {} contains NaN or infinite values in row {}; the file is damaged, fetch it again",
       source.name, row);
}

bool half_is_finite(uint16_t bits) {
  return (bits & 0x7c00u) != 0x7c00u;
}

/// The 32 quants of a group of 16 outputs, four (a k-step) in a number.
using GroupSteps = uint32_t[kGroupSteps][kTileOutputs];

/// planes[vector] |= the wanted bits of a k-step, moved up by `shift`.
void put_step(uint8_t* planes, int vector, int shift, uint32_t bits, int right,
              const uint32_t* step) {
  uint32_t values[kTileOutputs];
  uint8_t* const target = planes + vector * kStepBytes;
  std::memcpy(values, target, sizeof values);
  for (int o = 0; o < kTileOutputs; ++o) values[o] |= ((step[o] >> right) & bits) << shift;
  std::memcpy(target, values, sizeof values);
}

/// Fills the zeroed planes of a group.
template <int kBits>
void put_group(uint8_t* planes, const GroupSteps& steps) {
  constexpr int kLowBits = kBits >= 4 ? 4 : 2;
  for (int i = 0; i < kGroupSteps; ++i) {
    const uint32_t* const step = steps[i];
    if constexpr (kBits == 8) {
      put_step(planes, i, 0, 0xffffffffu, 0, step);
    } else {
      if constexpr (kLowBits == 4) put_step(planes, i / 2, 4 * (i % 2), 0x0f0f0f0fu, 0, step);
      if constexpr (kLowBits == 2) put_step(planes, i / 4, 2 * (i % 4), 0x03030303u, 0, step);
      // The planes of the lower bits are as many vectors as they have bits.
      if constexpr (kBits - kLowBits == 1) {
        put_step(planes, kLowBits, i, 0x01010101u, kLowBits, step);
      }
      if constexpr (kBits - kLowBits == 2) {
        put_step(planes, kLowBits + i / 4, 2 * (i % 4), 0x03030303u, kLowBits, step);
      }
    }
  }
}

void put_group(int bits, uint8_t* planes, const GroupSteps& steps) {
  switch (bits) {
    case 2:
      return put_group<2>(planes, steps);
    case 3:
      return put_group<3>(planes, steps);
    case 4:
      return put_group<4>(planes, steps);
    case 5:
      return put_group<5>(planes, steps);
    case 6:
      return put_group<6>(planes, steps);
    default:
      return put_group<8>(planes, steps);
  }
}

/// Where the scales of a tile's block stand (see PackedMatrix).
struct ScaleBlock {
  uint16_t* scales;    // [16] f16
  uint16_t* minimums;  // [16] f16, or null
  uint8_t* small;      // super: [groups][16] int8
  uint8_t* small_minimums;
};

int64_t small_scale_bytes(const PackedFormat& f) {
  return f.super ? kSuperColumns / f.scale_columns * kTileOutputs : 0;
}

int64_t scale_block_bytes(const PackedFormat& f) {
  const int64_t small_sets = f.minimum && !f.nibble_scales() ? 2 : 1;
  return 2 * kTileOutputs * (f.minimum ? 2 : 1) + small_sets * small_scale_bytes(f);
}

ScaleBlock scale_block(const PackedFormat& f, uint8_t* scales, int64_t block) {
  uint8_t* base = scales + block * scale_block_bytes(f);
  uint8_t* small = base + 2 * kTileOutputs * (f.minimum ? 2 : 1);
  ScaleBlock s{reinterpret_cast<uint16_t*>(base), nullptr, small, small + small_scale_bytes(f)};
  if (f.minimum) s.minimums = s.scales + kTileOutputs;
  return s;
}

void put_scales(const PackedFormat& f, const ScaleBlock& s, int output, const BlockCodes& codes) {
  s.scales[output] = codes.scale;
  if (f.minimum) s.minimums[output] = codes.minimum;
  if (!f.super) return;
  for (int g = 0; g < kSuperColumns / f.scale_columns; ++g) {
    uint8_t& small = s.small[g * kTileOutputs + output];
    small = static_cast<uint8_t>(codes.scales[g]);
    if (f.nibble_scales()) {
      small = static_cast<uint8_t>(small | codes.minimums[g] << 4);
    } else if (f.minimum) {
      s.small_minimums[g * kTileOutputs + output] = codes.minimums[g];
    }
  }
}

/// Block by block, all outputs of the tile at once.
void pack_quantised_tile(const WeightSource& source, const PackedMatrix& matrix, int64_t tile) {
  const PackedFormat& f = matrix.format;
  const StorageTypeTraits& t = traits(source.type);
  auto* const out = reinterpret_cast<uint8_t*>(matrix.data.get() + tile * matrix.tile_bytes);
  const int64_t first = tile * kTileOutputs;
  const int outputs = static_cast<int>(std::min<int64_t>(kTileOutputs, source.rows - first));
  const int64_t bytes = row_bytes(source.type, source.columns);
  const int64_t groups = t.block_values / kGroupColumns;  // of a block
  GroupSteps steps[kSuperColumns / kGroupColumns] = {};   // outputs that are not there stay 0
  BlockCodes codes;
  for (int64_t block = 0; block < source.columns / t.block_values; ++block) {
    const ScaleBlock scales = scale_block(f, out, block);
    for (int o = 0; o < outputs; ++o) {
      read_block(source.type, source.data.data() + (first + o) * bytes + block * t.block_bytes,
                 codes);
      if (!half_is_finite(codes.scale) || (f.minimum && !half_is_finite(codes.minimum))) {
        fail_not_finite(source, first + o);
      }
      put_scales(f, scales, o, codes);
      for (int64_t g = 0; g < groups; ++g) {
        for (int i = 0; i < kGroupSteps; ++i) {
          std::memcpy(&steps[g][i][o], codes.quants + kGroupColumns * g + 4 * i, 4);
        }
      }
    }
    for (int64_t g = 0; g < groups; ++g) {
      put_group(f.bits, out + matrix.scale_bytes + (block * groups + g) * matrix.group_bytes(),
                steps[g]);
    }
  }
}

/// Values of `Bits` (uint16_t or uint32_t) whose exponent bits are all ones are not finite.
template <typename Bits>
void pack_float_tile(const WeightSource& source, const PackedMatrix& matrix, int64_t tile,
                     Bits exponent) {
  const int64_t first = tile * kTileOutputs;
  const int64_t outputs = std::min<int64_t>(kTileOutputs, source.rows - first);
  const int64_t bytes = row_bytes(source.type, source.columns);
  const std::byte* from = source.data.data() + first * bytes;
  auto* out = reinterpret_cast<Bits*>(matrix.data.get() + tile * matrix.tile_bytes);
  for (int64_t column = 0; column < source.columns; ++column) {
    for (int64_t o = 0; o < outputs; ++o) {
      std::memcpy(out + column * kTileOutputs + o,
                  from + o * bytes + column * static_cast<int64_t>(sizeof(Bits)), sizeof(Bits));
    }
  }
  unsigned bad[kTileOutputs] = {};
  for (int64_t column = 0; column < source.columns; ++column) {
    for (int o = 0; o < kTileOutputs; ++o) {
      bad[o] |= (out[column * kTileOutputs + o] & exponent) == exponent ? 1u : 0u;
    }
  }
  for (int64_t o = 0; o < outputs; ++o) {
    if (bad[o] != 0) fail_not_finite(source, first + o);
  }
}

/// The tile's memory is zeroed.
void pack_tile(const WeightSource& source, const PackedMatrix& matrix, int64_t tile) {
  switch (source.type) {
    case StorageType::f32:
      return pack_float_tile<uint32_t>(source, matrix, tile, 0x7f800000u);
    case StorageType::f16:
      return pack_float_tile<uint16_t>(source, matrix, tile, 0x7c00u);
    case StorageType::bf16:
      return pack_float_tile<uint16_t>(source, matrix, tile, 0x7f80u);
    default:
      break;
  }
  pack_quantised_tile(source, matrix, tile);
}

PackedMatrix empty_matrix(const WeightSource& source) {
  PackedMatrix matrix;
  matrix.type = source.type;
  matrix.format = packed_format(source.type);
  matrix.rows = source.rows;
  matrix.columns = source.columns;
  if (matrix.format.is_float()) {
    matrix.tile_bytes =
        round_up(source.columns * kTileOutputs * traits(source.type).block_bytes, kStepBytes);
  } else {
    const int64_t blocks = source.columns / traits(source.type).block_values;
    matrix.scale_bytes = round_up(blocks * scale_block_bytes(matrix.format), kStepBytes);
    matrix.tile_bytes = matrix.scale_bytes + matrix.groups() * matrix.group_bytes();
  }
  matrix.data = allocate_weight_memory(static_cast<size_t>(matrix.tiles() * matrix.tile_bytes));
  return matrix;
}

PackedMatrix pack_matrix(const WeightSource& source, bool drop_source, ThreadPool& pool) {
  PackedMatrix matrix = empty_matrix(source);
  const int64_t source_row = row_bytes(source.type, source.columns);
  const int64_t slice_tiles = std::max<int64_t>(
      1,
      std::min(kSliceBytes / (source_row * kTileOutputs), matrix.tiles() / (4 * pool.threads())));
  const int64_t slices = (matrix.tiles() + slice_tiles - 1) / slice_tiles;
  pool.parallel_for(slices, [&](int64_t slice, int) {
    const int64_t first = slice * slice_tiles;
    const int64_t end = std::min(first + slice_tiles, matrix.tiles());
    const int64_t first_row = first * kTileOutputs;
    const int64_t end_row = std::min(end * kTileOutputs, source.rows);
    for (int64_t tile = first; tile < end; ++tile) pack_tile(source, matrix, tile);
    if (drop_source) {
      drop_pages(source.data.subspan(static_cast<size_t>(first_row * source_row),
                                     static_cast<size_t>((end_row - first_row) * source_row)));
    }
  });
  if (drop_source) drop_pages(source.data);  // what straddled two slices
  return matrix;
}

void check_source(const WeightSource& source, int64_t columns) {
  const bool whole_blocks = source.columns % traits(source.type).block_values == 0;
  if (source.rows <= 0 || source.columns <= 0 || source.columns != columns || !whole_blocks ||
      static_cast<int64_t>(source.data.size()) <
          source.rows * row_bytes(source.type, source.columns)) {
    fail(ErrorCode::invalid_file,
         "tensor {}: {} x {} values of type {} do not fit their data of {} bytes; the file is "
         "damaged, fetch it again",
         source.name, source.rows, source.columns, traits(source.type).name, source.data.size());
  }
}

}  // namespace

std::unique_ptr<const Weight> pack_weight(std::span<const WeightSource> sources, bool drop_source,
                                          ThreadPool& pool) {
  std::vector<PackedMatrix> parts;
  for (const WeightSource& source : sources) {
    check_source(source, sources.front().columns);
    parts.push_back(pack_matrix(source, drop_source, pool));
  }
  return std::make_unique<PackedWeight>(std::move(parts));
}

}  // namespace lazyllm::kernels::cpu
