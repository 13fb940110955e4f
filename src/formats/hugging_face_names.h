// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lazyllm::formats {

enum class TensorUse {
  needed,          ///< part of the language model; the name is translated
  ignored,         ///< known and not needed: buffers
  other_modality,  ///< of images or sound, which lazyllm does not read
  unknown,         ///< a part of a model that this architecture does not have
};

struct TranslatedName {
  TensorUse use = TensorUse::unknown;
  std::string name;    ///< GGUF's name, when needed
  int64_t layer = -1;  ///< 0-based; -1 outside the layers
};

/// "model.layers.3.self_attn.q_proj.weight" -> "blk.3.attn_q.weight", for the
/// GGUF architectures that folders are translated to. `wrapped`: the language model is a part of a
/// multimodal one, whose prefixes are undone.
TranslatedName translate_tensor_name(std::string_view name, std::string_view architecture,
                                     bool wrapped = false);

}  // namespace lazyllm::formats
