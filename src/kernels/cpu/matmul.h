// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>

#include "base/thread_pool.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"

namespace lazyllm::kernels::cpu {

/// See Backend::matmul. Weights come from pack_weight(). Scratch memory belongs to
/// the threads and is kept between calls.
void matmul(Isa isa, ThreadPool& pool, ConstFloatRows in, std::span<const MatmulTarget> targets);

/// See Backend::embed.
void embed(ThreadPool& pool, const WeightSource& table, std::span<const int32_t> tokens,
           float scale, FloatRows out, int64_t first_column = 0);

/// What matmul() runs for a weight of this type: "int8 VNNI, 4-bit weights, groups of 32".
std::string describe_matmul(Isa isa, StorageType type);

/// See Backend::input_bytes.
int input_bytes(Isa isa, const Weight& weight);

}  // namespace lazyllm::kernels::cpu
