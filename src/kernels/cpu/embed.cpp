// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <functional>
#include <vector>

#include "base/error.h"
#include "kernels/cpu/matmul.h"
#include "kernels/dequantize.h"

namespace lazyllm::kernels::cpu {

void embed(ThreadPool& pool, const WeightSource& table, std::span<const int32_t> tokens,
           float scale, FloatRows out, int64_t first_column) {
  LAZYLLM_CHECK(first_column >= 0 && first_column + out.columns <= table.columns);
  const int64_t bytes = row_bytes(table.type, table.columns);
  // The blocks that hold the columns; what they hold beside these is made and left.
  const int64_t block = traits(table.type).block_values;
  const int64_t before = first_column % block;
  const int64_t made = (before + out.columns + block - 1) / block * block;
  const int64_t offset = row_bytes(table.type, first_column - before);
  const auto body = [&](int64_t i, int) {
    const int64_t token = tokens[static_cast<size_t>(i)];
    LAZYLLM_CHECK(token >= 0 && token < table.rows);
    float* row = out.row(i);
    const std::byte* const from = table.data.data() + token * bytes + offset;
    if (made == out.columns) {
      dequantize_row(table.type, from, made, row);
    } else {
      std::vector<float> blocks(static_cast<size_t>(made));
      dequantize_row(table.type, from, made, blocks.data());
      std::copy_n(blocks.begin() + before, out.columns, row);
    }
    float sum = 0.0f;  // of x * 0: NaN if any x is infinite or NaN
    for (int64_t k = 0; k < out.columns; ++k) {
      sum += row[k] * 0.0f;
      row[k] *= scale;
    }
    if (sum != 0.0f) {
      fail(ErrorCode::invalid_file,
           "tensor {} contains NaN or infinite values in row {}; the file is damaged, fetch it "
           "again",
           table.name, token);
    }
  };
  pool.parallel_for(static_cast<int64_t>(tokens.size()), std::ref(body));
}

}  // namespace lazyllm::kernels::cpu
