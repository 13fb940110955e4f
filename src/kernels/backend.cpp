// SPDX-License-Identifier: Apache-2.0
#include "kernels/backend.h"

#include "base/error.h"

namespace lazyllm::kernels {

void Backend::download_rows(std::span<const float* const> rows, int64_t columns,
                            float* host) const {
  for (size_t r = 0; r < rows.size(); ++r) {
    download(rows[r], host + r * static_cast<size_t>(columns), static_cast<size_t>(columns));
  }
}

void Backend::gather_from(const Backend& other, std::span<const float* const> rows,
                          FloatRows tile) const {
  LAZYLLM_CHECK(tile.stride == tile.columns && std::ssize(rows) == tile.rows);
  std::vector<float> host(rows.size() * static_cast<size_t>(tile.columns));
  other.download_rows(rows, tile.columns, host.data());
  upload(host.data(), tile.data, host.size());
}

}  // namespace lazyllm::kernels
