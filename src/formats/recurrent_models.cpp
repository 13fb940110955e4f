// SPDX-License-Identifier: Apache-2.0
#include "formats/recurrent_models.h"

#include <array>

namespace lazyllm::formats {
namespace {

struct Family {
  std::string_view name, layers;
};

constexpr std::string_view kDeltaNet = "gated DeltaNet";
constexpr std::string_view kMamba2 = "Mamba-2";

constexpr auto kFamilies = std::to_array<Family>({
    {"qwen35", kDeltaNet},
    {"qwen35moe", kDeltaNet},
    {"qwen3next", kDeltaNet},
    {"qwen3_5", kDeltaNet},
    {"qwen3_5_text", kDeltaNet},
    {"qwen3_5_moe", kDeltaNet},
    {"qwen3_5_moe_text", kDeltaNet},
    {"qwen3_next", kDeltaNet},
    {"kimi-linear", "Kimi delta attention"},
    {"kimi_linear", "Kimi delta attention"},
    {"bamba", kMamba2},
    {"falcon-h1", kMamba2},
    {"falcon_h1", kMamba2},
    {"granitehybrid", kMamba2},
    {"granitemoehybrid", kMamba2},
    {"mamba2", kMamba2},
    {"nemotron_h", kMamba2},
    {"nemotron_h_moe", kMamba2},
    {"plamo2", kMamba2},
    {"zamba2", kMamba2},
    {"jamba", "Mamba"},
    {"mamba", "Mamba"},
    {"rwkv6", "RWKV"},
    {"rwkv6qwen2", "RWKV"},
    {"rwkv7", "RWKV"},
});

}  // namespace

std::string_view recurrent_layers_of(std::string_view name) {
  for (const Family& family : kFamilies) {
    if (family.name == name) return family.layers;
  }
  return {};
}

}  // namespace lazyllm::formats
