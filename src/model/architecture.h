// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "formats/model_file.h"
#include "model/hyperparameters.h"

namespace lazyllm::model {

/// Reads what the file says about its architecture.
/// Errors: Error(unsupported) naming an unknown architecture and the known ones;
/// Error(invalid_file) naming a missing or contradictory key.
Hyperparameters describe(const formats::ModelFile& file);

/// "gemma3, llama, qwen2, qwen3": for messages.
std::string supported_architectures();

/// The keys that all architectures share, under the prefix of `architecture`, with
/// one rope of full rotation and full attention in every layer.
/// `kv_heads`, `intermediate_size`: where the file has them layer by layer; 0: it has one number.
Hyperparameters describe_common(const formats::ModelFile& file, const std::string& architecture,
                                int kv_heads = 0, int intermediate_size = 0);

/// The window of the layers that slide: those that attention.sliding_window_layers or
/// attention.sliding_window_pattern lists, or all but every n-th, where the latter is a number n or
/// the file names neither (`default_period`; 0: all slide).
void describe_windows(const formats::ModelFile& file, Hyperparameters& hyperparameters,
                      int default_period = 0);

/// The experts of all layers, or of those that expert_layers lists. `normalise`: what the
/// architecture does where the file does not say it. No experts without expert_count.
void describe_experts(const formats::ModelFile& file, Hyperparameters& hyperparameters,
                      bool normalise);

/// Granite's factors on embeddings, branches and logits.
void describe_granite_factors(const formats::ModelFile& file, Hyperparameters& hyperparameters);

// One file per architecture in architectures/.
Hyperparameters describe_exaone4(const formats::ModelFile& file);
Hyperparameters describe_gemma2(const formats::ModelFile& file);
Hyperparameters describe_gemma4(const formats::ModelFile& file);
Hyperparameters describe_glm4(const formats::ModelFile& file);
Hyperparameters describe_gpt_oss(const formats::ModelFile& file);
Hyperparameters describe_granite(const formats::ModelFile& file);
Hyperparameters describe_granitemoe(const formats::ModelFile& file);
Hyperparameters describe_lfm2(const formats::ModelFile& file);
Hyperparameters describe_lfm2moe(const formats::ModelFile& file);
Hyperparameters describe_llama(const formats::ModelFile& file);
Hyperparameters describe_mistral3(const formats::ModelFile& file);
Hyperparameters describe_olmo2(const formats::ModelFile& file);
Hyperparameters describe_phi3(const formats::ModelFile& file);
Hyperparameters describe_qwen2(const formats::ModelFile& file);
Hyperparameters describe_qwen2moe(const formats::ModelFile& file);
Hyperparameters describe_qwen3(const formats::ModelFile& file);
Hyperparameters describe_qwen3moe(const formats::ModelFile& file);
Hyperparameters describe_seed_oss(const formats::ModelFile& file);
Hyperparameters describe_smollm3(const formats::ModelFile& file);
Hyperparameters describe_gemma3(const formats::ModelFile& file);

}  // namespace lazyllm::model
