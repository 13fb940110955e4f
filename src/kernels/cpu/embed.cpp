// SPDX-License-Identifier: Apache-2.0
#include <functional>

#include "base/error.h"
#include "kernels/cpu/matmul.h"
#include "kernels/dequantize.h"

namespace lazyllm::kernels::cpu {

void embed(ThreadPool& pool, const WeightSource& table, std::span<const int32_t> tokens,
           float scale, FloatRows out) {
  const int64_t bytes = row_bytes(table.type, table.columns);
  const auto body = [&](int64_t i, int) {
    const int64_t token = tokens[static_cast<size_t>(i)];
    LAZYLLM_CHECK(token >= 0 && token < table.rows);
    float* row = out.row(i);
    dequantize_row(table.type, table.data.data() + token * bytes, table.columns, row);
    float sum = 0.0f;  // of x * 0: NaN if any x is infinite or NaN
    for (int64_t k = 0; k < table.columns; ++k) {
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
