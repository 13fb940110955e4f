// SPDX-License-Identifier: Apache-2.0
#include "base/storage_type.h"

#include <array>

namespace lazyllm {
namespace {

constexpr std::array<StorageTypeTraits, kStorageTypeCount> kTraits = {{
    {"F32", 0, 1, 4},
    {"F16", 1, 1, 2},
    {"BF16", 30, 1, 2},
    {"Q4_0", 2, 32, 18},
    {"Q4_1", 3, 32, 20},
    {"Q5_0", 6, 32, 22},
    {"Q5_1", 7, 32, 24},
    {"Q8_0", 8, 32, 34},
    {"Q2_K", 10, 256, 84},
    {"Q3_K", 11, 256, 110},
    {"Q4_K", 12, 256, 144},
    {"Q5_K", 13, 256, 176},
    {"Q6_K", 14, 256, 210},
    {"IQ4_NL", 20, 32, 18},
    {"IQ4_XS", 23, 256, 136},
    {"MXFP4", 39, 32, 17},
}};

struct ForeignType {
  uint32_t id;
  std::string_view name;
};

// Types that exist in GGUF files but that lazyllm does not read; named in errors.
constexpr std::array<ForeignType, 25> kForeignTypes = {{
    {4, "Q4_2 (removed)"},
    {5, "Q4_3 (removed)"},
    {9, "Q8_1"},
    {15, "Q8_K"},
    {16, "IQ2_XXS"},
    {17, "IQ2_XS"},
    {18, "IQ3_XXS"},
    {19, "IQ1_S"},
    {21, "IQ3_S"},
    {22, "IQ2_S"},
    {24, "I8"},
    {25, "I16"},
    {26, "I32"},
    {27, "I64"},
    {28, "F64"},
    {29, "IQ1_M"},
    {31, "Q4_0_4_4 (removed)"},
    {32, "Q4_0_4_8 (removed)"},
    {33, "Q4_0_8_8 (removed)"},
    {34, "TQ1_0"},
    {35, "TQ2_0"},
    {36, "IQ4_NL_4_4 (removed)"},
    {37, "IQ4_NL_4_8 (removed)"},
    {38, "IQ4_NL_8_8 (removed)"},
    {40, "NVFP4"},
}};

}  // namespace

const StorageTypeTraits& traits(StorageType type) {
  return kTraits[static_cast<size_t>(type)];
}

std::optional<StorageType> storage_type_of_gguf_id(uint32_t id) {
  for (size_t i = 0; i < kTraits.size(); ++i) {
    if (kTraits[i].gguf_id == id) return static_cast<StorageType>(i);
  }
  return std::nullopt;
}

std::string gguf_type_name(uint32_t id) {
  if (const auto type = storage_type_of_gguf_id(id)) return std::string(traits(*type).name);
  for (const ForeignType& foreign : kForeignTypes) {
    if (foreign.id == id) return std::string(foreign.name);
  }
  return "type " + std::to_string(id);
}

std::string supported_storage_types() {
  std::string list;
  for (const StorageTypeTraits& t : kTraits) {
    if (!list.empty()) list += ", ";
    list += t.name;
  }
  return list;
}

}  // namespace lazyllm
