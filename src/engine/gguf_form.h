// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "formats/model_file.h"

namespace lazyllm::engine {

/// A tensor as a GGUF file holds it; `rows` is always set.
using GgufFormTensor = formats::TensorView;

/// What a GGUF file with the same model holds: a GGUF file's own content, or a folder's in the form
/// that converters give it (rows of q and k permuted, norms of Gemma plus one, experts stacked,
/// gate and up apart, rope scaling of Llama 3 as a tensor). `file` outlives the result.
/// Errors: Error(unsupported) for what has no such form.
std::vector<GgufFormTensor> gguf_tensors(const formats::ModelFile& file);
/// The same for the metadata; a folder's tokenizer becomes tokenizer.huggingface.json.
formats::Metadata gguf_metadata(const formats::ModelFile& file);

}  // namespace lazyllm::engine
