// SPDX-License-Identifier: Apache-2.0
// Weights and their planes of bits as vectors, alike for every width. Included inside the namespace
// of simd_avx2.h and simd_avx512.h, after Bytes, widen_bytes() and widen_halves().

LAZYLLM_SIMD_INLINE Vec negate(Vec a) {
  return -a;
}
/// Values of BF16, of unsigned bytes, and of nibbles of bytes, the upper ones with kShift = 4.
LAZYLLM_SIMD_INLINE Vec load_bf16(const uint16_t* p) {
  return reinterpret_cast<Vec>(widen_halves(p) << 16);
}
LAZYLLM_SIMD_INLINE Vec load_u8(const uint8_t* p) {
  return __builtin_convertvector(widen_bytes(p), Vec);
}
template <int kShift>
LAZYLLM_SIMD_INLINE Vec load_nibbles(const uint8_t* p) {
  return __builtin_convertvector((widen_bytes(p) >> kShift) & 15, Vec);
}

LAZYLLM_SIMD_INLINE Bytes load_bytes(const void* p) {
  Bytes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
LAZYLLM_SIMD_INLINE void store_bytes(void* p, Bytes v) {
  std::memcpy(p, &v, sizeof v);
}
LAZYLLM_SIMD_INLINE Bytes either(Bytes a, Bytes b) {
  return a | b;
}
/// Bits [kFrom, kFrom + kBitCount) of every byte, moved to bit kTo.
template <int kFrom, int kTo, int kBitCount>
LAZYLLM_SIMD_INLINE Bytes take_bits(Bytes v) {
  using Words = uint16_t __attribute__((vector_size(sizeof(Bytes))));
  using Chars = uint8_t __attribute__((vector_size(sizeof(Bytes))));
  if constexpr (kFrom > kTo)
    v = reinterpret_cast<Bytes>(reinterpret_cast<Words>(v) >> (kFrom - kTo));
  if constexpr (kFrom < kTo)
    v = reinterpret_cast<Bytes>(reinterpret_cast<Words>(v) << (kTo - kFrom));
  constexpr uint8_t kMask = ((1 << kBitCount) - 1) << kTo;
  return reinterpret_cast<Bytes>(reinterpret_cast<Chars>(v) & kMask);
}
