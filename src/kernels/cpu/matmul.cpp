// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/matmul.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "base/error.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/matmul_kernels.h"

namespace lazyllm::kernels::cpu {
namespace {

// Up to this many rows weights are unpacked in registers, once per panel of 6 rows (measured:
// docs/lab/speed.md, "Few rows");
// beyond, a block of columns is unpacked once for all rows.
constexpr int64_t kDirectRows = 3 * kPanelRows;

// Columns unpacked at once, at most: the tiles that a kernel takes (2 of one byte a weight and
// scales beside, 2 of four bytes, 4 of two) stay in a first-level cache of 32 KiB while all rows of
// a block pass.
constexpr int64_t kBlockColumns = 768;
constexpr int64_t kFloatBlockColumns = 128;
constexpr int64_t kBf16BlockColumns = 192;

// Rows of a block, at least: unpacking must remain a small share, also where that leaves threads
// idle.
constexpr int64_t kMinimumBlockRows = 16 * kPanelRows;
constexpr int64_t kLeastBlockRows = 8 * kPanelRows;

// Items that each thread should find, at least.
constexpr int64_t kItemsPerThread = 4;

const MatmulKernels& kernels_of(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::avx512_bf16) return avx512_bf16_matmul_kernels();
  if (isa == Isa::avx512_vnni) return avx512_matmul_kernels();
  if (isa == Isa::avx_vnni) return avx_vnni_matmul_kernels();
  if (isa == Isa::avx2) return avx2_matmul_kernels();
#endif
  static_cast<void>(isa);
  return generic_matmul_kernels();
}

/// One matrix of one target.
struct Task {
  const PackedMatrix* matrix;
  const MatmulTarget* target;
  int64_t first_output;  // of the matrix within the target
  int64_t first_item;    // within a row block
};

/// Everything of a call that the threads share, kept between calls of a thread.
struct Call {
  const MatmulKernels* kernels = nullptr;
  ConstFloatRows in;
  Activations activations;
  std::vector<const PackedFormat*> formats;
  std::vector<Task> tasks;
  int64_t items = 0;  // of one row block
  int64_t item_tiles = 0;
  int64_t block_rows = 0;
  int64_t row_blocks = 0;
};

/// What a thread needs for one item.
struct WorkerScratch {
  Scratch weights, scales, minimums, sums;
};

WorkerScratch& worker_scratch() {
  thread_local WorkerScratch scratch;
  return scratch;
}

/// out (+)= sums + bias for `rows` rows and the outputs [first, first + count) of a target.
void store(const MatmulTarget& target, int64_t first_row, int64_t rows, int64_t first,
           int64_t count, const float* sums, int64_t sums_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    float* out = target.out.row(first_row + r) + first;
    const float* row = sums + r * sums_stride;
    const float* bias = target.bias == nullptr ? nullptr : target.bias + first;
    if (target.accumulate) {
      for (int64_t o = 0; o < count; ++o) out[o] += bias == nullptr ? row[o] : row[o] + bias[o];
    } else if (bias != nullptr) {
      for (int64_t o = 0; o < count; ++o) out[o] = row[o] + bias[o];
    } else {
      std::copy_n(row, count, out);
    }
  }
}

/// Asks for `bytes` bytes, so that they are on their way while something else is computed.
void prefetch(const uint8_t* data, int64_t bytes) {
  for (int64_t i = 0; i < bytes; i += 64) __builtin_prefetch(data + i);
}

// Of a tile's quants, asked for before its scales are decoded: until then nobody reads there.
constexpr int64_t kFirstQuantBytes = 1024;

/// A panel of rows times one tile in its packed form; sums of [rows][16].
void multiply_tile_floats(const Call& call, const PackedMatrix& matrix, int64_t tile, int64_t panel,
                          int rows, float* sums) {
  const Activations& a = call.activations;
  if (call.kernels->multiplies_as_bf16(matrix.format)) {
    call.kernels->bf16->direct_kernel(rows)({.rows = rows,
                                             .tiles = 1,
                                             .in = a.bf16_pairs(panel, 0),
                                             .weights = matrix.tile(tile),
                                             .columns = matrix.columns,
                                             .sums = sums,
                                             .sums_stride = kTileOutputs,
                                             .first = true});
    return;
  }
  call.kernels->float_direct_kernel(matrix.type, rows)({.rows = rows,
                                                        .tiles = 1,
                                                        .in = a.floats(panel, 0),
                                                        .weights = matrix.tile(tile),
                                                        .columns = matrix.columns,
                                                        .sums = sums,
                                                        .sums_stride = kTileOutputs,
                                                        .first = true});
}

/// Few rows: every tile straight from its packed form.
void multiply_direct(const Call& call, const Task& task, int64_t tile) {
  const PackedMatrix& matrix = *task.matrix;
  const PackedFormat& format = matrix.format;
  WorkerScratch& scratch = worker_scratch();
  const int64_t scale_groups = format.is_float() ? 0 : matrix.columns / format.scale_columns;
  float* scales = scratch.scales.get<float>(scale_groups * kTileOutputs);
  float* minimums = scratch.minimums.get<float>(scale_groups * kTileOutputs);
  float* sums = scratch.sums.get<float>(kPanelRows * kTileOutputs);
  const int64_t prefetch_bytes = weight_prefetch_bytes(this_processor());
  if (!format.is_float()) {
    prefetch(matrix.quants(tile), kFirstQuantBytes);
    call.kernels->decode_scales(format, matrix.scales(tile), 0, matrix.groups(), scales, minimums,
                                kTileOutputs);
    if (tile + 1 < matrix.tiles()) prefetch(matrix.scales(tile + 1), matrix.scale_bytes);
  }
  const int64_t outputs = std::min<int64_t>(kTileOutputs, matrix.rows - tile * kTileOutputs);
  for (int64_t row = 0; row < call.in.rows; row += kPanelRows) {
    const int rows = static_cast<int>(std::min<int64_t>(kPanelRows, call.in.rows - row));
    const int64_t panel = row / kPanelRows;
    if (format.is_float()) {
      multiply_tile_floats(call, matrix, tile, panel, rows, sums);
    } else {
      const Activations& a = call.activations;
      call.kernels->direct_kernel(format, rows)({.format = &format,
                                                 .rows = rows,
                                                 .tiles = 1,
                                                 .quants = a.quants(panel, 0),
                                                 .scales = a.scales(panel, 0),
                                                 .extras = a.extras(format, panel, 0),
                                                 .weights = matrix.quants(tile),
                                                 .weight_scales = scales,
                                                 .weight_minimums = minimums,
                                                 .groups = matrix.groups(),
                                                 .sums = sums,
                                                 .sums_stride = kTileOutputs,
                                                 .first = true,
                                                 .prefetch_bytes = prefetch_bytes});
    }
    store(*task.target, row, rows, task.first_output + tile * kTileOutputs, outputs, sums,
          kTileOutputs);
  }
}

/// Some tiles of a task, as many as a kernel takes at once, and the rows they are multiplied with.
struct PanelWork {
  const Task& task;
  int64_t tile;
  int tiles;
  int64_t first_row;
  int64_t rows;

  const PackedMatrix& matrix() const { return *task.matrix; }
  int64_t first_output() const { return task.first_output + tile * kTileOutputs; }
  int64_t outputs() const {
    return std::min(int64_t{tiles} * kTileOutputs, matrix().rows - tile * kTileOutputs);
  }
};

/// Calls multiply(row, rows, sums, sums_stride) for the panels of 6 rows. Sums stand in
/// the target itself where that is possible. Otherwise they stay in scratch memory between
/// blocks of columns and go to the target after the last one, while they are in the cache.
template <typename Multiply>
void for_each_panel(const PanelWork& work, bool only_block, bool last_block,
                    const Multiply& multiply) {
  const MatmulTarget& target = *work.task.target;
  const bool in_place = !target.accumulate && target.bias == nullptr &&
                        work.outputs() == int64_t{work.tiles} * kTileOutputs;
  const int64_t stride = int64_t{work.tiles} * kTileOutputs;
  float* all_sums =
      worker_scratch().sums.get<float>((only_block ? kPanelRows : work.rows + kPanelRows) * stride);
  for (int64_t row = 0; row < work.rows; row += kPanelRows) {
    const int64_t first = work.first_row + row;
    const int64_t rows = std::min<int64_t>(kPanelRows, work.rows - row);
    if (last_block) {  // the lines written at the end are asked for now
      for (int64_t r = 0; r < rows; ++r) {
        const float* out = target.out.row(first + r) + work.first_output();
        for (int t = 0; t < work.tiles; ++t) __builtin_prefetch(out + t * kTileOutputs, 1);
      }
    }
    if (in_place) {
      multiply(first, static_cast<int>(rows), target.out.row(first) + work.first_output(),
               target.out.stride);
      continue;
    }
    float* sums = only_block ? all_sums : all_sums + row * stride;
    multiply(first, static_cast<int>(rows), sums, stride);
    if (last_block) {
      store(target, first, rows, work.first_output(), work.outputs(), sums, stride);
    }
  }
}

void multiply_quants(const Call& call, const PanelWork& work) {
  const PackedMatrix& matrix = work.matrix();
  const PackedFormat& format = matrix.format;
  const MatmulKernels& kernels = *call.kernels;
  const Activations& a = call.activations;
  WorkerScratch& scratch = worker_scratch();
  const int tiles = work.tiles;
  const int64_t stride = int64_t{tiles} * kTileOutputs;
  const int64_t group_bytes = kernels.panel_group_bytes;
  constexpr int64_t kMaximumGroups = kBlockColumns / kGroupColumns;
  uint8_t* weights = scratch.weights.get<uint8_t>(kMaximumGroups * tiles * group_bytes);
  float* scales = scratch.scales.get<float>(kMaximumGroups * 2 * stride);
  float* minimums = scratch.minimums.get<float>(kMaximumGroups * 2 * stride);
  // Blocks of about equal size, in whole super-blocks.
  const int64_t blocks = (matrix.groups() + kMaximumGroups - 1) / kMaximumGroups;
  const int64_t block_groups =
      ((matrix.groups() + blocks - 1) / blocks + kGroupSteps - 1) / kGroupSteps * kGroupSteps;
  for (int64_t group = 0; group < matrix.groups(); group += block_groups) {
    const int64_t groups = std::min(block_groups, matrix.groups() - group);
    for (int t = 0; t < tiles; ++t) {
      kernels.decode_scales(format, matrix.scales(work.tile + t), group, groups,
                            scales + t * kTileOutputs, minimums + t * kTileOutputs, stride);
      kernels.unpack_quants(format, matrix.quants(work.tile + t) + group * matrix.group_bytes(),
                            groups, weights + t * group_bytes, tiles * group_bytes);
    }
    const bool last = group + groups == matrix.groups();
    for_each_panel(
        work, blocks == 1, last, [&](int64_t row, int rows, float* sums, int64_t sums_stride) {
          const int64_t panel = row / kPanelRows;
          kernels.panel_kernel(format, rows, tiles)({.format = &format,
                                                     .rows = rows,
                                                     .tiles = tiles,
                                                     .quants = a.quants(panel, group),
                                                     .scales = a.scales(panel, group),
                                                     .extras = a.extras(format, panel, group),
                                                     .weights = weights,
                                                     .weight_scales = scales,
                                                     .weight_minimums = minimums,
                                                     .groups = groups,
                                                     .sums = sums,
                                                     .sums_stride = sums_stride,
                                                     .first = group == 0});
        });
  }
}

/// Float weights, by blocks of columns: unpack(values, columns, t) makes tile t's part of the
/// panel, multiply(row, rows, column, columns, sums, sums_stride) takes a panel of rows through it.
template <typename Unpack, typename Multiply>
void for_each_float_block(const PanelWork& work, int64_t block_columns, const Unpack& unpack,
                          const Multiply& multiply) {
  const PackedMatrix& matrix = work.matrix();
  const int64_t tile_row_bytes = kTileOutputs * traits(matrix.type).block_bytes;
  for (int64_t column = 0; column < matrix.columns; column += block_columns) {
    const int64_t columns = std::min(block_columns, matrix.columns - column);
    for (int t = 0; t < work.tiles; ++t) {
      unpack(matrix.tile(work.tile + t) + column * tile_row_bytes, columns, t);
    }
    const bool last = column + columns == matrix.columns;
    for_each_panel(work, last && column == 0, last,
                   [&](int64_t row, int rows, float* sums, int64_t sums_stride) {
                     multiply(row, rows, column, columns, sums, sums_stride);
                   });
  }
}

void multiply_floats(const Call& call, const PanelWork& work) {
  float* weights =
      worker_scratch().weights.get<float>(kFloatBlockColumns * work.tiles * kTileOutputs);
  for_each_float_block(
      work, kFloatBlockColumns,
      [&](const std::byte* values, int64_t columns, int t) {
        call.kernels->unpack_floats(work.matrix().type, values, columns, weights + t * kTileOutputs,
                                    int64_t{work.tiles} * kTileOutputs);
      },
      [&](int64_t row, int rows, int64_t column, int64_t columns, float* sums, int64_t stride) {
        call.kernels->float_panel_kernel(
            rows, work.tiles)({.rows = rows,
                               .tiles = work.tiles,
                               .in = call.activations.floats(row / kPanelRows, column),
                               .weights = weights,
                               .columns = columns,
                               .sums = sums,
                               .sums_stride = stride,
                               .first = column == 0});
      });
}

void multiply_bf16(const Call& call, const PanelWork& work) {
  constexpr int64_t kPairValues = 2 * kTileOutputs;
  uint16_t* weights =
      worker_scratch().weights.get<uint16_t>(kBf16BlockColumns * work.tiles * kTileOutputs);
  for_each_float_block(
      work, kBf16BlockColumns,
      [&](const std::byte* values, int64_t columns, int t) {
        call.kernels->bf16->unpack(values, columns, weights + t * kPairValues,
                                   work.tiles * kPairValues);
      },
      [&](int64_t row, int rows, int64_t column, int64_t columns, float* sums, int64_t stride) {
        call.kernels->bf16->panel_kernel(
            rows, work.tiles)({.rows = rows,
                               .tiles = work.tiles,
                               .in = call.activations.bf16_pairs(row / kPanelRows, column),
                               .weights = weights,
                               .columns = columns,
                               .sums = sums,
                               .sums_stride = stride,
                               .first = column == 0});
      });
}

/// Many rows: some tiles, unpacked block by block, times a block of rows.
void multiply_panel(const Call& call, const Task& task, int64_t tile, int tiles,
                    int64_t row_block) {
  const PackedMatrix& matrix = *task.matrix;
  const int64_t first_row = row_block * call.block_rows;
  const PanelWork work{task, tile, tiles, first_row,
                       std::min(call.block_rows, call.in.rows - first_row)};
  if (call.kernels->multiplies_as_bf16(matrix.format)) {
    multiply_bf16(call, work);
  } else if (matrix.format.is_float()) {
    multiply_floats(call, work);
  } else {
    multiply_quants(call, work);
  }
}

void run_item(const Call& call, int64_t index) {
  const int64_t row_block = index / call.items;
  const int64_t item = index % call.items;
  size_t t = call.tasks.size() - 1;
  while (call.tasks[t].first_item > item) --t;
  const Task& task = call.tasks[t];
  const int64_t first = (item - task.first_item) * call.item_tiles;
  const int64_t end = std::min(first + call.item_tiles, task.matrix->tiles());
  if (call.in.rows <= kDirectRows) {
    for (int64_t tile = first; tile < end; ++tile) multiply_direct(call, task, tile);
    return;
  }
  const int64_t step = call.kernels->panel_tiles(task.matrix->format);
  for (int64_t tile = first; tile < end; tile += step) {
    multiply_panel(call, task, tile, static_cast<int>(std::min(step, end - tile)), row_block);
  }
}

void collect_tasks(Call& call, std::span<const MatmulTarget> targets) {
  call.tasks.clear();
  call.formats.clear();
  for (const MatmulTarget& target : targets) {
    const auto& weight = static_cast<const PackedWeight&>(*target.weight);
    LAZYLLM_CHECK(weight.columns() == call.in.columns && target.out.rows == call.in.rows);
    int64_t output = 0;
    for (const PackedMatrix& matrix : weight.parts()) {
      call.tasks.push_back({&matrix, &target, output, 0});
      call.formats.push_back(&matrix.format);
      output += matrix.rows;
    }
  }
}

/// Counts the items of one block of rows.
void number_items(Call& call) {
  call.items = 0;
  for (Task& task : call.tasks) {
    task.first_item = call.items;
    call.items += (task.matrix->tiles() + call.item_tiles - 1) / call.item_tiles;
  }
}

/// Into how many blocks rows are cut: as few as caches allow, more where the threads would not all
/// have something to do to the end.
int64_t row_blocks(const Call& call, int threads) {
  constexpr double kWellUsed = 0.95;
  const auto blocks_of = [&](int64_t block_rows) {
    return (call.in.rows + block_rows - 1) / block_rows;
  };
  const int64_t largest =
      std::max(block_activations(this_processor()) / call.in.columns, kMinimumBlockRows);
  const int64_t fewest = blocks_of(largest);
  if (threads == 1) return fewest;
  const int64_t most = std::max(fewest, call.in.rows / kLeastBlockRows);
  int64_t best = fewest;
  double best_use = 0.0;
  for (int64_t blocks = fewest; blocks <= most; ++blocks) {
    const int64_t items = call.items * blocks;
    const int64_t rounds = (items + threads - 1) / threads;
    const double use = static_cast<double>(items) / static_cast<double>(rounds * threads);
    if (use > best_use) {
      best = blocks;
      best_use = use;
    }
    // Threads are not all equally fast: some rounds even that out.
    if (best_use >= kWellUsed && call.items * best >= kItemsPerThread * threads) break;
  }
  return best;
}

/// Cuts the work into items that a thread takes one by one.
void plan(Call& call, int threads) {
  const int64_t rows = call.in.rows;
  if (rows <= kDirectRows) {
    int64_t tiles = 0;
    for (const Task& task : call.tasks) tiles += task.matrix->tiles();
    const int64_t wanted = threads == 1 ? 1 : kItemsPerThread * threads;
    call.item_tiles = std::clamp<int64_t>(tiles / wanted, 1, 32);
    number_items(call);
    call.block_rows = rows;
    call.row_blocks = 1;
    return;
  }
  call.item_tiles = 0;
  for (const PackedFormat* format : call.formats) {
    call.item_tiles = std::max<int64_t>(call.item_tiles, call.kernels->panel_tiles(*format));
  }
  number_items(call);
  const int64_t blocks = row_blocks(call, threads);  // of equal size, in whole panels
  const int64_t block_rows = (rows + blocks - 1) / blocks;
  call.block_rows = (block_rows + kPanelRows - 1) / kPanelRows * kPanelRows;
  call.row_blocks = (rows + call.block_rows - 1) / call.block_rows;
}

}  // namespace

void matmul(Isa isa, ThreadPool& pool, ConstFloatRows in, std::span<const MatmulTarget> targets) {
  if (in.rows == 0 || targets.empty()) return;
  thread_local Call call;
  Call& shared = call;  // the workers must see this thread's object
  shared.kernels = &kernels_of(isa);
  shared.in = in;
  collect_tasks(shared, targets);
  plan(shared, pool.threads());
  shared.activations.prepare(*shared.kernels, pool, in, shared.formats);
  const auto body = [&shared](int64_t index, int) { run_item(shared, index); };
  pool.parallel_for(shared.items * shared.row_blocks, std::ref(body));
}

int input_bytes(Isa isa, const Weight& weight) {
  int most = 1;
  for (const PackedMatrix& matrix : static_cast<const PackedWeight&>(weight).parts()) {
    if (!matrix.format.is_float()) continue;
    most = std::max(most, kernels_of(isa).multiplies_as_bf16(matrix.format) ? 2 : 4);
  }
  return most;
}

std::string describe_matmul(Isa isa, StorageType type) {
  const PackedFormat& format = packed_format(type);
  if (kernels_of(isa).multiplies_as_bf16(format)) return "bfloat16 dot products, bfloat16 weights";
  if (format.is_float()) {
    const std::string stored = type == StorageType::f32   ? "float32"
                               : type == StorageType::f16 ? "float16"
                                                          : "bfloat16";
    return isa == Isa::generic ? "float32, " + stored + " weights"
                               : "float32 FMA, " + stored + " weights";
  }
  return fmt::format("{}, {}-bit weights, groups of {}", kernels_of(isa).description, format.bits,
                     format.scale_columns);
}

}  // namespace lazyllm::kernels::cpu
