// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace lazyllm {

struct Hash::State : XXH3_state_t {};

Hash::Hash() : state_(new State) {
  XXH3_64bits_reset(state_.get());
}

void Hash::Free::operator()(State* state) const {
  delete state;
}

void Hash::add(std::span<const std::byte> bytes) {
  XXH3_64bits_update(state_.get(), bytes.data(), bytes.size());
}

uint64_t Hash::value() const {
  return XXH3_64bits_digest(state_.get());
}

}  // namespace lazyllm
