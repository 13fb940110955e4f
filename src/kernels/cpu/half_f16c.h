// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <immintrin.h>

#include <cstdint>

// Single half-precision numbers with F16C, for simd_avx2.h and simd_avx512.h.
namespace lazyllm::kernels::cpu {

[[gnu::always_inline]] inline float f16_to_float(uint16_t half) {
  return _cvtsh_ss(half);
}

[[gnu::always_inline]] inline uint16_t float_to_f16(float x) {
  return static_cast<uint16_t>(_mm_extract_epi16(
      _mm_cvtps_ph(_mm_set_ss(x), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), 0));
}

}  // namespace lazyllm::kernels::cpu
