// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "base/json_object.h"
#include "formats/model_file.h"

namespace lazyllm::formats {

/// What the full layers of Gemma 4 have of their own.
struct Gemma4FullLayers {
  int64_t head_dimension = 0;
  int64_t heads_kv = 0;
  std::vector<int64_t> named;  ///< layers that per_layer_config lists; empty: there is none
};

/// From global_head_dim and num_global_key_value_heads, or from per_layer_config, which
/// transformers 5 writes instead. `head_dimension`, `heads_kv`: those of sliding layers. Errors:
/// Error(unsupported) for entries that are not alike.
Gemma4FullLayers gemma4_full_layers(const JsonObject& config, int64_t head_dimension,
                                    int64_t heads_kv);

/// Adds what Gemma 4 has beside other models: K,V heads layer by layer, per-layer embeddings,
/// shared keys and values, experts. `metadata` holds what all models have.
/// Errors: Error(invalid_file), Error(unsupported) naming the key.
void translate_gemma4(const JsonObject& config, const Gemma4FullLayers& full, Metadata& metadata);

}  // namespace lazyllm::formats
