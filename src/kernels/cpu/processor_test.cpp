// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/processor.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "kernels/backend.h"
#include "kernels/cpu/isa.h"

namespace lazyllm::kernels::cpu {
namespace {

Processor with_avx2(Vendor vendor, int family, int model) {
  return {.vendor = vendor, .family = family, .model = model, .avx2 = true};
}

Processor with_bf16(Vendor vendor, int family, int model) {
  Processor p = with_avx2(vendor, family, model);
  p.avx512_vnni = p.avx512_bf16 = true;
  return p;
}

using Isas = std::vector<Isa>;

TEST(ProcessorTest, Bf16ComesFirstOnZen4AndZen5) {
  const Isas expected = {Isa::avx512_bf16, Isa::avx512_vnni, Isa::avx2, Isa::generic};
  EXPECT_EQ(isas_of(with_bf16(Vendor::amd, 0x19, 0x11)), expected);  // Genoa
  EXPECT_EQ(isas_of(with_bf16(Vendor::amd, 0x19, 0x61)), expected);  // Raphael
  EXPECT_EQ(isas_of(with_bf16(Vendor::amd, 0x1A, 0x02)), expected);  // Turin
}

TEST(ProcessorTest, FmaComesFirstOnIntel) {
  const Isas expected = {Isa::avx512_vnni, Isa::avx512_bf16, Isa::avx2, Isa::generic};
  EXPECT_EQ(isas_of(with_bf16(Vendor::intel, 6, 0x55)), expected);  // Cooper Lake
  Processor sapphire_rapids = with_bf16(Vendor::intel, 6, 0x8F);
  sapphire_rapids.avx_vnni = true;
  EXPECT_EQ(isas_of(sapphire_rapids),
            (Isas{Isa::avx512_vnni, Isa::avx512_bf16, Isa::avx_vnni, Isa::avx2, Isa::generic}));
}

TEST(ProcessorTest, FmaComesFirstOnProcessorsNobodyNamed) {
  for (const Processor& unknown :
       {with_bf16(Vendor::other, 7, 0x6B), with_bf16(Vendor::amd, 0x1B, 0),
        with_bf16(Vendor::intel, 19, 1), with_bf16(Vendor::other, 0x1A, 2)}) {
    EXPECT_EQ(isas_of(unknown).front(), Isa::avx512_vnni)
        << "family " << unknown.family << " model " << unknown.model;
  }
}

TEST(ProcessorTest, FamilyAloneGivesNoInstruction) {
  EXPECT_EQ(isas_of(with_avx2(Vendor::amd, 0x19, 0x01)), (Isas{Isa::avx2, Isa::generic}));  // Zen 3
  EXPECT_FALSE(prefers_bf16_products(with_avx2(Vendor::amd, 0x1A, 0x02)));
  EXPECT_EQ(isas_of({.vendor = Vendor::amd, .family = 0x10}), (Isas{Isa::generic}));
  EXPECT_EQ(isas_of({}), (Isas{Isa::generic}));
}

TEST(ProcessorTest, VnniWithoutAvx512) {
  Processor alder_lake = with_avx2(Vendor::intel, 6, 0x97);
  alder_lake.avx_vnni = true;
  EXPECT_EQ(isas_of(alder_lake), (Isas{Isa::avx_vnni, Isa::avx2, Isa::generic}));
}

TEST(ProcessorTest, TheBackEndTakesWhatTheTableSays) {
  EXPECT_EQ(detect_isas(), isas_of(this_processor()));
  EXPECT_EQ(choose_isa(""), isas_of(this_processor()).front());
  for (const Isa isa : detect_isas()) EXPECT_EQ(choose_isa(name(isa)), isa);
}

TEST(ProcessorTest, AbsurdNumbersOfThreadsAreRefusedBeforeOneIsStarted) {
  try {
    create_cpu_backend("", 100'000);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
  }
}

TEST(ProcessorTest, BlocksAndPrefetchingFollowTheVendor) {
  EXPECT_EQ(weight_prefetch_bytes(with_avx2(Vendor::amd, 0x19, 1)), 4096);
  EXPECT_EQ(weight_prefetch_bytes(with_avx2(Vendor::intel, 6, 0x55)), 0);
  EXPECT_GT(block_activations(with_avx2(Vendor::amd, 0x19, 1)),
            block_activations(with_avx2(Vendor::other, 7, 0)));
}

}  // namespace
}  // namespace lazyllm::kernels::cpu
