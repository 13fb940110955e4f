// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_model_types.h"

namespace lazyllm::formats {

std::span<const ModelType> model_types() {
  using S = SlidingRule;
  using E = ExpertKeys;
  static constexpr ModelType kTypes[] = {
      {"llama", "llama", 0, 0, 0, 0, kAsHeads, kAsHeads, 0, 0, 0, 1e4, 1e-6, false, false},
      {"mistral", "llama", 0, 0, 0, 0, 8, kAsHeads, 131072, 0, 4096, 1e4, 1e-6, false, false,
       S::all},
      {"ministral", "llama", 0, 0, 0, 0, 8, kAsHeads, 131072, 0, 4096, 1e4, 1e-6, false, false,
       S::all},
      {"mixtral", "llama", 0, 0, 0, 0, 8, kAsHeads, 131072, 0, 0, 1e6, 1e-5, false, false, S::all,
       E::mixtral},
      {"qwen2", "qwen2", 0, 0, 0, 0, 32, kAsHeads, 32768, 0, 4096, 1e4, 1e-6, false, true,
       S::from_layer},
      {"qwen2_moe", "qwen2moe", 0, 0, 0, 0, 16, kAsHeads, 32768, 0, 4096, 1e4, 1e-6, false, true,
       S::even_below_layer, E::qwen2},
      {"qwen3", "qwen3", 0, 0, 0, 0, 32, 128, 32768, 0, 4096, 1e4, 1e-6, false, false,
       S::from_layer},
      {"qwen3_moe", "qwen3moe", 0, 0, 0, 0, 4, kAsHeads, 32768, 0, 4096, 1e4, 1e-6, false, false,
       S::all, E::qwen3},
      {"phi3", "phi3", 0, 0, 0, 0, kAsHeads, kAsHeads, 4096, 0, 0, 1e4, 1e-5, false, false, S::all},
      {"granite", "granite", 0, 0, 0, 0, kAsHeads, kAsHeads, 2048, 0, 0, 1e4, 1e-6, false, false},
      {"olmo2", "olmo2", 0, 0, 0, 0, kAsHeads, kAsHeads, 2048, 0, 0, 1e4, 1e-5, false, false},
      {"smollm3", "smollm3", 0, 0, 0, 0, 4, kAsHeads, 32768, 0, 0, 2e6, 1e-6, true, false,
       S::unrotated},
      {"granitemoe", "granitemoe", 0, 0, 0, 0, kAsHeads, kAsHeads, 2048, 0, 0, 1e4, 1e-6, false,
       false, S::none, E::granite},
      {"granitemoeshared", "granitemoe", 0, 0, 0, 0, kAsHeads, kAsHeads, 2048, 0, 0, 1e4, 1e-6,
       false, false, S::none, E::granite},
      {"glm4", "glm4", 0, 0, 0, 0, 2, 128, 131072, 0, 0, 1e4, 1.5625e-7, false, true},
      {"exaone4", "exaone4", 0, 0, 0, 0, 32, kAsHeads, 2048, 0, 4096, 1e4, 1e-5, false, false,
       S::pattern},
      {"seed_oss", "seed_oss", 0, 0, 0, 0, 8, 128, 524288, 0, 0, 1e4, 1e-6, false, true},
      {"ministral3", "mistral3", 0, 0, 0, 0, 8, 128, 262144, 0, 0, 1e4, 1e-5, false, false, S::all},
      {"lfm2", "lfm2", 2560, 12288, 32, 32, 8, kAsHeads, 128000, 65536, 0, 1e6, 1e-5, true, false},
      {"lfm2_moe", "lfm2moe", 2048, 7168, 32, 32, 8, kAsHeads, 128000, 65536, 0, 1e6, 1e-5, true,
       false, S::none, E::lfm2},
      {"gpt_oss", "gpt-oss", 0, 0, 0, 0, 8, 64, 131072, 0, 128, 1.5e5, 1e-5, false, true, S::even,
       E::mixtral},
      {"gemma2", "gemma2", 0, 0, 0, 0, 4, 256, 8192, 0, 4096, 1e4, 1e-6, true, false, S::even},
      {"gemma3_text", "gemma3", 2304, 9216, 26, 8, 4, 256, 131072, 262208, 4096, 1e6, 1e-6, true,
       false, S::pattern},
      {"gemma4_text", "gemma4", 2304, 9216, 30, 8, 4, 256, 131072, 262144, 512, 1e6, 1e-6, true,
       false, S::pattern},
  };
  return kTypes;
}

std::span<const Wrapper> wrappers() {
  static constexpr Wrapper kWrappers[] = {{"gemma3", "gemma3_text", true},
                                          {"gemma4", "gemma4_text", true},
                                          {"lfm2_vl", "lfm2", true},
                                          {"mistral3", "mistral", true}};
  return kWrappers;
}

std::string supported_model_types() {
  std::string list;
  for (const ModelType& type : model_types()) list += std::string(type.name) + ", ";
  for (const Wrapper& wrapper : wrappers()) list += std::string(wrapper.name) + ", ";
  return list.substr(0, list.size() - 2);
}

}  // namespace lazyllm::formats
