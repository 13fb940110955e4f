// SPDX-License-Identifier: Apache-2.0
// What the compiler's vector extension writes alike for every width. Included inside the namespace
// of simd_generic.h, simd_avx2.h and simd_avx512.h, after Vec.

using IntVec = int32_t __attribute__((vector_size(sizeof(Vec))));

LAZYLLM_SIMD_INLINE Vec zero() {
  return Vec{};
}
LAZYLLM_SIMD_INLINE Vec load(const float* p) {
  Vec v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
LAZYLLM_SIMD_INLINE void store(float* p, Vec v) {
  std::memcpy(p, &v, sizeof v);
}
LAZYLLM_SIMD_INLINE Vec add(Vec a, Vec b) {
  return a + b;
}
LAZYLLM_SIMD_INLINE Vec sub(Vec a, Vec b) {
  return a - b;
}
LAZYLLM_SIMD_INLINE Vec mul(Vec a, Vec b) {
  return a * b;
}
LAZYLLM_SIMD_INLINE Vec div(Vec a, Vec b) {
  return a / b;
}
/// x * 2^n, where `shifted` is 1.5 * 2^23 + n and the result is a normal number.
LAZYLLM_SIMD_INLINE Vec scale_by_shifted(Vec x, Vec shifted) {
  const IntVec exponent = reinterpret_cast<IntVec>(shifted) << 23;
  return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(x) + exponent);
}
