// SPDX-License-Identifier: Apache-2.0
#include "model/architecture.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"

namespace lazyllm::model {
namespace {

struct Entry {
  std::string_view name;
  Hyperparameters (*describe)(const formats::ModelFile&);
};

constexpr std::array<Entry, 4> kArchitectures = {{
    {"gemma3", describe_gemma3},
    {"llama", describe_llama},
    {"qwen2", describe_qwen2},
    {"qwen3", describe_qwen3},
}};

RopeScaling scaling_of(const formats::ModelFile& file, const std::string& key) {
  const std::string kind = file.text(key, "none");
  if (kind == "none" || kind == "default") return RopeScaling::none;
  if (kind == "linear") return RopeScaling::linear;
  if (kind == "llama3") return RopeScaling::llama3;
  if (kind == "yarn") return RopeScaling::yarn;
  fail(ErrorCode::unsupported,
       "{}: rope scaling '{}' is not supported; supported are none, linear, llama3 and yarn",
       file.path().string(), kind);
}

RopeParameters describe_rope(const formats::ModelFile& file, const std::string& prefix,
                             int head_dim) {
  RopeParameters rope;
  rope.rotated =
      static_cast<int>(file.integer(prefix + "rope.dimension_count", 2, head_dim, head_dim));
  rope.base = file.real(prefix + "rope.freq_base", 10000.0);
  const std::string scaling = prefix + "rope.scaling.";
  rope.scaling = scaling_of(file, scaling + "type");
  rope.factor = file.real(scaling + "factor", file.real(prefix + "rope.scale_linear", 1.0));
  if (rope.scaling == RopeScaling::none && rope.factor != 1.0) rope.scaling = RopeScaling::linear;
  rope.original_context = file.real(scaling + "original_context_length", 0.0);
  rope.low_frequency_factor = file.real(scaling + "low_freq_factor", 1.0);
  rope.high_frequency_factor = file.real(scaling + "high_freq_factor", 4.0);
  rope.beta_fast = file.real(scaling + "yarn_beta_fast", 32.0);
  rope.beta_slow = file.real(scaling + "yarn_beta_slow", 1.0);
  rope.attention_factor = file.real(scaling + "attention_factor", 0.0);
  const bool finite = std::isfinite(rope.base) && std::isfinite(rope.factor);
  if (!finite || rope.base <= 0.0 || rope.factor <= 0.0 || rope.rotated % 2 != 0) {
    fail(ErrorCode::invalid_file,
         "{}: the rope parameters (base {}, factor {}, {} rotated values) make no sense; "
         "convert the model again",
         file.path().string(), rope.base, rope.factor, rope.rotated);
  }
  if (const formats::TensorView* divisors = file.find_tensor("rope_freqs.weight")) {
    if (divisors->type != StorageType::f32 || divisors->elements() != rope.rotated / 2) {
      fail(ErrorCode::invalid_file, "{}: tensor rope_freqs.weight must hold {} F32 values",
           file.path().string(), rope.rotated / 2);
    }
    rope.frequency_divisors.resize(static_cast<size_t>(rope.rotated / 2));
    std::memcpy(rope.frequency_divisors.data(), divisors->data.data(), divisors->data.size());
  }
  return rope;
}

/// Scalars that some files store per layer: all layers must agree.
int64_t scalar_or_equal_array(const formats::ModelFile& file, const std::string& key,
                              int64_t minimum, int64_t maximum) {
  const auto found = file.metadata().find(key);
  if (found != file.metadata().end() &&
      std::holds_alternative<std::vector<int64_t>>(found->second)) {
    const std::vector<int64_t> values = file.integers(key);
    for (const int64_t value : values) {
      if (value != values.front() || value < minimum || value > maximum) {
        fail(ErrorCode::unsupported, "{}: {} differs from layer to layer, which is not supported",
             file.path().string(), key);
      }
    }
    if (!values.empty()) return values.front();
  }
  return file.integer(key, minimum, maximum);
}

}  // namespace

std::string supported_architectures() {
  std::string list;
  for (const Entry& entry : kArchitectures) {
    if (!list.empty()) list += ", ";
    list += entry.name;
  }
  return list;
}

Hyperparameters describe(const formats::ModelFile& file) {
  const std::string name = file.text("general.architecture");
  for (const Entry& entry : kArchitectures) {
    if (entry.name == name) return entry.describe(file);
  }
  fail(ErrorCode::unsupported, "{}: architecture '{}' is not supported; supported are {}",
       file.path().string(), name, supported_architectures());
}

Hyperparameters describe_common(const formats::ModelFile& file, const std::string& architecture) {
  // Bounds keep products of sizes far from overflow; real models lie well inside.
  constexpr int64_t kMaxWidth = 1 << 20;
  const std::string prefix = architecture + ".";
  Hyperparameters h;
  h.architecture = architecture;
  h.name = file.text("general.name", "");
  h.layers = static_cast<int>(file.integer(prefix + "block_count", 1, 4096));
  h.context_length =
      file.integer(prefix + "context_length", 1, std::numeric_limits<int32_t>::max());
  h.hidden_size = static_cast<int>(file.integer(prefix + "embedding_length", 1, kMaxWidth));
  h.intermediate_size =
      static_cast<int>(scalar_or_equal_array(file, prefix + "feed_forward_length", 1, kMaxWidth));
  h.heads =
      static_cast<int>(scalar_or_equal_array(file, prefix + "attention.head_count", 1, 65536));
  h.kv_heads = file.has(prefix + "attention.head_count_kv")
                   ? static_cast<int>(
                         scalar_or_equal_array(file, prefix + "attention.head_count_kv", 1, 65536))
                   : h.heads;
  const bool divides = h.hidden_size % h.heads == 0;
  if (!divides && !file.has(prefix + "attention.key_length")) {
    fail(ErrorCode::invalid_file,
         "{}: {} heads do not divide an embedding length of {} and {}attention.key_length is "
         "missing",
         file.path().string(), h.heads, h.hidden_size, prefix);
  }
  h.head_dim = static_cast<int>(file.integer(prefix + "attention.key_length", 2, 65536,
                                             divides ? h.hidden_size / h.heads : 0));
  const int64_t value_length =
      file.integer(prefix + "attention.value_length", 1, 65536, h.head_dim);
  if (value_length != h.head_dim || h.heads % h.kv_heads != 0 || h.head_dim % 2 != 0) {
    fail(ErrorCode::unsupported,
         "{}: {} query heads, {} key/value heads, key length {} and value length {} are no "
         "supported shape: heads must be a multiple of key/value heads, lengths equal and even",
         file.path().string(), h.heads, h.kv_heads, h.head_dim, value_length);
  }
  if (file.integer(prefix + "expert_count", 0, 65536, 0) != 0) {
    fail(ErrorCode::unsupported, "{}: mixture-of-experts models are not supported",
         file.path().string());
  }
  h.norm_epsilon = static_cast<float>(file.real(prefix + "attention.layer_norm_rms_epsilon"));
  h.attention_scale = 1.0f / std::sqrt(static_cast<float>(h.head_dim));
  const std::string activation = file.text(prefix + "hidden_act", "");
  if (!activation.empty() && activation != "silu" && activation != "gelu_pytorch_tanh") {
    fail(ErrorCode::unsupported,
         "{}: activation '{}' is not supported; supported are silu and gelu_pytorch_tanh",
         file.path().string(), activation);
  }
  const formats::TensorView& embedding = file.tensor("token_embd.weight");
  h.vocabulary_size = embedding.shape.empty() ? 0 : embedding.shape.front();
  h.ropes = {describe_rope(file, prefix, h.head_dim)};
  h.layer.resize(static_cast<size_t>(h.layers));
  return h;
}

}  // namespace lazyllm::model
