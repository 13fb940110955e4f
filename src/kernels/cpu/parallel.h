// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>

#include "base/thread_pool.h"

namespace lazyllm::kernels::cpu {

/// pool.parallel_for without an allocation for the body; on the calling thread
/// alone (as worker 0) when the work is not `worth` waking the others.
template <typename Body>
void parallel_for(ThreadPool& pool, int64_t count, bool worth, Body& body) {
  if (!worth || count <= 1 || pool.threads() == 1) {
    for (int64_t i = 0; i < count; ++i) body(i, 0);
    return;
  }
  pool.parallel_for(count, std::ref(body));
}

}  // namespace lazyllm::kernels::cpu
