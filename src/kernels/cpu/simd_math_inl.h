// SPDX-License-Identifier: Apache-2.0
// Included by the *_inl.h files, after simd_<isa>.h, with LAZYLLM_ISA set.
#pragma once

namespace lazyllm::kernels::cpu::LAZYLLM_ISA {
namespace {

// Adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits.
constexpr float kRoundShift = 0x1.8p23f;

/// 2^r for |r| <= 1/2: 1 + r * (minimax polynomial), relative error 2.6e-9 before rounding.
LAZYLLM_SIMD_INLINE Vec power_of_two_fraction(Vec r) {
  Vec p = broadcast(0x1.470b49ad63295p-13f);
  p = multiply_add(p, r, broadcast(0x1.5f7276d99f545p-10f));
  p = multiply_add(p, r, broadcast(0x1.3b270e650eb2ap-7f));
  p = multiply_add(p, r, broadcast(0x1.c6ae72dfbb037p-5f));
  p = multiply_add(p, r, broadcast(0x1.ebfbe2c53fea5p-3f));
  p = multiply_add(p, r, broadcast(0x1.62e4311733d31p-1f));
  return multiply_add(p, r, broadcast(1.0f));
}

/// 2^x for x <= 0, but at least 2^-100, so that products with it do not become
/// (slow) subnormal numbers; exactly 1 for 0.
LAZYLLM_SIMD_INLINE Vec power_of_two_nonpositive(Vec x) {
  const Vec clamped = max(x, broadcast(-100.0f));
  const Vec shifted = add(clamped, broadcast(kRoundShift));
  const Vec r = sub(clamped, sub(shifted, broadcast(kRoundShift)));
  return scale_by_shifted(power_of_two_fraction(r), shifted);
}

/// e^x; 0 below -87 and infinity above 88.7.
LAZYLLM_SIMD_INLINE Vec exponential(Vec x) {
  const Vec lowest = broadcast(-87.0f);
  const Vec highest = broadcast(88.7f);
  const Vec clamped = min(max(x, lowest), highest);
  const Vec log2e = broadcast(0x1.715476p+0f);
  const Vec shifted = multiply_add(clamped, log2e, broadcast(kRoundShift));
  const Vec n = sub(shifted, broadcast(kRoundShift));
  // ln(2) in two parts, the first short enough for n * part to be exact.
  Vec r = multiply_add(n, broadcast(-0x1.62e4p-1f), clamped);
  r = multiply_add(n, broadcast(-0x1.7f7d1cf79abcap-20f), r);
  // 2^128 alone is not a float: half of it goes in before.
  const Vec half = mul(power_of_two_fraction(mul(r, log2e)), broadcast(2.0f));
  const Vec result = scale_by_shifted(half, sub(shifted, broadcast(1.0f)));
  return select_greater(x, highest, broadcast(__builtin_inff()),
                        keep_if_not_less(x, lowest, result));
}

/// tanh(x) with an absolute error of about one ulp of 1.
LAZYLLM_SIMD_INLINE Vec hyperbolic_tangent(Vec x) {
  const Vec e = exponential(mul(x, broadcast(2.0f)));
  return sub(broadcast(1.0f), div(broadcast(2.0f), add(e, broadcast(1.0f))));
}

}  // namespace
}  // namespace lazyllm::kernels::cpu::LAZYLLM_ISA
