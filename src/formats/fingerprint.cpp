// SPDX-License-Identifier: Apache-2.0
#include "formats/fingerprint.h"

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

}  // namespace lazyllm::formats
