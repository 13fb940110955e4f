// SPDX-License-Identifier: Apache-2.0
#include "formats/fingerprint.h"

#include <algorithm>

#include "base/hash.h"

namespace lazyllm::formats {

uint64_t fingerprint(const ModelFile& file) {
  Hash hash;
  for (const TensorView& tensor : file.tensors()) {
    hash.add_text(tensor.name);
    hash.add(tensor.type);
    hash.add(std::as_bytes(std::span(tensor.shape)));
    hash.add(tensor.data);
    for (const std::span<const std::byte> source : tensor.rows.sources) hash.add(source);
  }
  return hash.value();
}

uint64_t fingerprint_sample(const ModelFile& file) {
  static constexpr size_t kSample = 4096;
  Hash hash;
  const auto add_sample = [&hash](std::span<const std::byte> data) {
    const size_t count = std::min(kSample, data.size());
    hash.add(uint64_t{data.size()});
    hash.add(data.first(count));
    hash.add(data.subspan((data.size() - count) / 2, count));
    hash.add(data.last(count));
  };
  for (const TensorView& tensor : file.tensors()) {
    hash.add_text(tensor.name);
    hash.add(tensor.type);
    hash.add(std::as_bytes(std::span(tensor.shape)));
    add_sample(tensor.data);
    for (const std::span<const std::byte> source : tensor.rows.sources) add_sample(source);
  }
  return hash.value();
}

}  // namespace lazyllm::formats
