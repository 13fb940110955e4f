// SPDX-License-Identifier: Apache-2.0
// The loops are assembly so that nothing but the products runs; twelve sums (int8 with AVX2:
// eight; BF16, which takes longest: 24) hide the latency of one.
#include "kernels/cpu/peak_loops.h"

namespace lazyllm::kernels::cpu {

#if defined(__x86_64__)

namespace {

// clang-format off
#define LAZYLLM_TWELVE(instruction, a, b, sum)                                       \
  instruction " " a ", " b ", " sum "0\n"  instruction " " a ", " b ", " sum "1\n"   \
  instruction " " a ", " b ", " sum "2\n"  instruction " " a ", " b ", " sum "3\n"   \
  instruction " " a ", " b ", " sum "4\n"  instruction " " a ", " b ", " sum "5\n"   \
  instruction " " a ", " b ", " sum "6\n"  instruction " " a ", " b ", " sum "7\n"   \
  instruction " " a ", " b ", " sum "8\n"  instruction " " a ", " b ", " sum "9\n"   \
  instruction " " a ", " b ", " sum "10\n" instruction " " a ", " b ", " sum "11\n"
#define LAZYLLM_TWELVE_MORE(instruction, a, b, sum)                                  \
  instruction " " a ", " b ", " sum "16\n" instruction " " a ", " b ", " sum "17\n" \
  instruction " " a ", " b ", " sum "18\n" instruction " " a ", " b ", " sum "19\n" \
  instruction " " a ", " b ", " sum "20\n" instruction " " a ", " b ", " sum "21\n" \
  instruction " " a ", " b ", " sum "22\n" instruction " " a ", " b ", " sum "23\n" \
  instruction " " a ", " b ", " sum "24\n" instruction " " a ", " b ", " sum "25\n" \
  instruction " " a ", " b ", " sum "26\n" instruction " " a ", " b ", " sum "27\n"
#define LAZYLLM_SUMS "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", \
                     "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13"
// clang-format on

// vzeroall: sums and factors of 0, so that no float becomes denormal or NaN.
#define LAZYLLM_PEAK_LOOP(name, target_isa, instruction, vector)                                  \
  __attribute__((target(target_isa))) void name(int64_t rounds) {                                 \
    asm volatile("vzeroall\n1:\n" LAZYLLM_TWELVE(instruction, "%%" vector "12", "%%" vector "13", \
                                                 "%%" vector) "dec %0\n jnz 1b\n vzeroupper\n"    \
                 : "+r"(rounds)::"cc", LAZYLLM_SUMS, "xmm14", "xmm15");                           \
  }

LAZYLLM_PEAK_LOOP(int8_products_avx512, "avx512f,avx512vnni", "vpdpbusd", "zmm")
LAZYLLM_PEAK_LOOP(float_products_avx512, "avx512f", "vfmadd231ps", "zmm")
LAZYLLM_PEAK_LOOP(float_products_avx2, "avx2,fma", "vfmadd231ps", "ymm")

// What zmm16 and the following hold does not matter: denormal sums are taken as 0.
__attribute__((target("avx512f,avx512bf16"))) void bf16_products_avx512(int64_t rounds) {
  asm volatile("vzeroall\n1:\n" LAZYLLM_TWELVE("vdpbf16ps", "%%zmm12", "%%zmm13", "%%zmm")
                   LAZYLLM_TWELVE_MORE("vdpbf16ps", "%%zmm12", "%%zmm13",
                                       "%%zmm") "dec %0\n jnz 1b\n vzeroupper\n"
               : "+r"(rounds)::"cc", LAZYLLM_SUMS, "xmm14", "xmm15", "xmm16", "xmm17", "xmm18",
                 "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27");
}

// The VEX form, of AVX-VNNI.
LAZYLLM_PEAK_LOOP(int8_products_avx_vnni, "avx2,avxvnni", "%{vex%} vpdpbusd", "ymm")

// Pairs of 8-bit products added in 16 bits, as the AVX2 kernels do it.
__attribute__((target("avx2"))) void int8_products_avx2(int64_t rounds) {
  asm volatile(
      "vzeroall\n1:\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n vpaddw %%ymm8, %%ymm0, %%ymm0\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n vpaddw %%ymm9, %%ymm1, %%ymm1\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm10\n vpaddw %%ymm10, %%ymm2, %%ymm2\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm11\n vpaddw %%ymm11, %%ymm3, %%ymm3\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm12\n vpaddw %%ymm12, %%ymm4, %%ymm4\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm13\n vpaddw %%ymm13, %%ymm5, %%ymm5\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n vpaddw %%ymm8, %%ymm6, %%ymm6\n"
      "vpmaddubsw %%ymm15, %%ymm14, %%ymm9\n vpaddw %%ymm9, %%ymm7, %%ymm7\n"
      "dec %0\n jnz 1b\n vzeroupper\n"
      : "+r"(rounds)::"cc", LAZYLLM_SUMS, "xmm14", "xmm15");
}

}  // namespace

PeakLoop int8_loop(Isa isa) {
  if (has_avx512_vectors(isa)) return {12 * 128, int8_products_avx512};
  if (isa == Isa::avx_vnni) return {12 * 64, int8_products_avx_vnni};
  if (isa == Isa::avx2) return {8 * 64, int8_products_avx2};
  return {};
}

PeakLoop bf16_loop(Isa isa) {
  if (isa == Isa::avx512_bf16) return {24 * 64, bf16_products_avx512};
  return {};
}

PeakLoop float_loop(Isa isa) {
  if (has_avx512_vectors(isa)) return {12 * 32, float_products_avx512};
  if (has_avx2_vectors(isa)) return {12 * 16, float_products_avx2};
  return {};
}

#else

PeakLoop int8_loop(Isa) {
  return {};
}
PeakLoop bf16_loop(Isa) {
  return {};
}
PeakLoop float_loop(Isa) {
  return {};
}

#endif

}  // namespace lazyllm::kernels::cpu
