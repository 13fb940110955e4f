// SPDX-License-Identifier: Apache-2.0
#include "formats/fingerprint.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <memory>

namespace lazyllm::formats {

uint64_t fingerprint(const ModelFile& file) {
  const std::unique_ptr<XXH3_state_t, XXH_errorcode (*)(XXH3_state_t*)> state(XXH3_createState(),
                                                                              XXH3_freeState);
  XXH3_64bits_reset(state.get());
  const auto add = [&](const void* data, size_t bytes) {
    XXH3_64bits_update(state.get(), data, bytes);
  };
  for (const TensorView& tensor : file.tensors()) {
    add(tensor.name.c_str(), tensor.name.size() + 1);
    add(&tensor.type, sizeof(tensor.type));
    add(tensor.shape.data(), tensor.shape.size() * sizeof(tensor.shape[0]));
    add(tensor.data.data(), tensor.data.size());
  }
  return XXH3_64bits_digest(state.get());
}

}  // namespace lazyllm::formats
