// SPDX-License-Identifier: Apache-2.0
#include "model/architecture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "formats/recurrent_models.h"

namespace lazyllm::model {
namespace {

struct Entry {
  std::string_view name;
  Hyperparameters (*describe)(const formats::ModelFile&);
};

constexpr std::array<Entry, 20> kArchitectures = {{
    {"exaone4", describe_exaone4},   {"gemma2", describe_gemma2},
    {"gemma3", describe_gemma3},     {"gemma4", describe_gemma4},
    {"glm4", describe_glm4},         {"gpt-oss", describe_gpt_oss},
    {"granite", describe_granite},   {"granitemoe", describe_granitemoe},
    {"lfm2", describe_lfm2},         {"lfm2moe", describe_lfm2moe},
    {"llama", describe_llama},       {"mistral3", describe_mistral3},
    {"olmo2", describe_olmo2},       {"phi3", describe_phi3},
    {"qwen2", describe_qwen2},       {"qwen2moe", describe_qwen2moe},
    {"qwen3", describe_qwen3},       {"qwen3moe", describe_qwen3moe},
    {"seed_oss", describe_seed_oss}, {"smollm3", describe_smollm3},
}};

RopeScaling scaling_of(const formats::ModelFile& file, const std::string& key) {
  const std::string kind = file.text(key, "none");
  if (kind == "none" || kind == "default") return RopeScaling::none;
  if (kind == "linear") return RopeScaling::linear;
  if (kind == "llama3") return RopeScaling::llama3;
  if (kind == "yarn") return RopeScaling::yarn;
  if (kind == "longrope") return RopeScaling::longrope;
  // Nothing is scaled up to the trained context, and no session is longer.
  if (kind == "dynamic") return RopeScaling::dynamic_ntk;
  fail(ErrorCode::unsupported,
       "{}: rope scaling '{}' is not supported; supported are none, linear, dynamic, llama3, "
       "longrope and yarn",
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
  if (!file.has(scaling + "type")) {  // converters name the type only where they must
    const bool long_rope = file.find_tensor("rope_factors_short.weight") != nullptr;
    if (long_rope) rope.scaling = RopeScaling::longrope;
    if (!long_rope && rope.factor != 1.0) rope.scaling = RopeScaling::linear;
  }
  rope.original_context =
      file.real(scaling + "original_context_length",
                static_cast<double>(file.integer(prefix + "context_length", 1, INT32_MAX)));
  rope.low_frequency_factor = file.real(scaling + "low_freq_factor", 1.0);
  rope.high_frequency_factor = file.real(scaling + "high_freq_factor", 4.0);
  rope.beta_fast = file.real(scaling + "yarn_beta_fast", 32.0);
  rope.beta_slow = file.real(scaling + "yarn_beta_slow", 1.0);
  rope.whole_turns = file.boolean(scaling + "yarn_truncate", prefix != "gpt-oss.");
  rope.attention_factor = file.real(scaling + "attention_factor", 0.0);
  rope.attention_multiplier = file.real(scaling + "attn_factor", 1.0);
  const double multiplier = file.real(scaling + "yarn_log_multiplier", 0.0);
  if (multiplier != 0.0 && rope.scaling == RopeScaling::yarn && rope.factor > 1.0) {
    const double logarithm = 0.1 * std::log(rope.factor);  // DeepSeek's quotient of two magnitudes
    rope.attention_factor = (logarithm + 1.0) / (multiplier * logarithm + 1.0);
  }
  const bool finite = std::isfinite(rope.base) && std::isfinite(rope.factor) &&
                      std::isfinite(rope.attention_factor) && rope.attention_factor >= 0.0;
  if (!finite || rope.attention_multiplier <= 0.0 || rope.original_context < 1.0 ||
      rope.base <= 0.0 || rope.factor <= 0.0 || rope.rotated % 2 != 0) {
    fail(ErrorCode::invalid_file,
         "{}: the rope parameters (base {}, factor {}, {} rotated values) make no sense; "
         "convert the model again",
         file.path().string(), rope.base, rope.factor, rope.rotated);
  }
  const bool longrope = rope.scaling == RopeScaling::longrope;
  const char* const tensor = longrope ? "rope_factors_short.weight" : "rope_freqs.weight";
  if (const formats::TensorView* divisors = file.find_tensor(tensor)) {
    if (divisors->type != StorageType::f32 || divisors->elements() != rope.rotated / 2) {
      fail(ErrorCode::invalid_file, "{}: tensor {} must hold {} F32 values", file.path().string(),
           tensor, rope.rotated / 2);
    }
    rope.frequency_divisors.resize(static_cast<size_t>(rope.rotated / 2));
    std::memcpy(rope.frequency_divisors.data(), divisors->data.data(), divisors->data.size());
  } else if (longrope) {
    for (const double value : file.reals(scaling + "short_factors")) {
      rope.frequency_divisors.push_back(static_cast<float>(value));
    }
    if (std::ssize(rope.frequency_divisors) != rope.rotated / 2) {
      fail(ErrorCode::invalid_file,
           "{}: rope scaling longrope needs {} short factors (tensor {} of a GGUF file, "
           "short_factor of a config.json), but there are {}",
           file.path().string(), rope.rotated / 2, tensor, rope.frequency_divisors.size());
    }
  }
  return rope;
}

/// Scalars that some files store per layer: all layers must agree.
int64_t scalar_or_equal_array(const formats::ModelFile& file, const std::string& key,
                              int64_t minimum, int64_t maximum) {
  const auto found = file.metadata().find(key);
  if (found != file.metadata().end() && !std::holds_alternative<int64_t>(found->second)) {
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

namespace {

/// Products of sizes are taken as int from here on. Real models have a thousandth of this.
void check_widths(const formats::ModelFile& file, const Hyperparameters& h) {
  constexpr int64_t kWidest = 1 << 20, kWidestOfAll = int64_t{1} << 30;
  int64_t sum = 0;
  for (int l = 0; l < h.layers; ++l) {
    const int64_t width = int64_t{h.heads} * h.head_dim_of(l);
    sum += int64_t{h.kv_heads_of(l)} * h.head_dim_of(l);
    if (width <= kWidest && sum <= kWidestOfAll) continue;
    fail(ErrorCode::invalid_file,
         "{}: layer {} has {} heads of {} values; no model has so many, the file is damaged",
         file.path().string(), l + 1, h.heads, h.head_dim_of(l));
  }
}

}  // namespace

Hyperparameters describe(const formats::ModelFile& file) {
  const std::string name = file.text("general.architecture");
  for (const Entry& entry : kArchitectures) {
    if (entry.name != name) continue;
    Hyperparameters h = entry.describe(file);
    check_widths(file, h);
    return h;
  }
  if (const auto layers = formats::recurrent_layers_of(name); !layers.empty()) {
    fail(ErrorCode::unsupported,
         "{}: architecture '{}' is not supported, because its layers have a recurrent state ({}), "
         "which lazyllm does not implement; supported are {}",
         file.path().string(), name, layers, supported_architectures());
  }
  fail(ErrorCode::unsupported, "{}: architecture '{}' is not supported; supported are {}",
       file.path().string(), name, supported_architectures());
}

Hyperparameters describe_common(const formats::ModelFile& file, const std::string& architecture,
                                int kv_heads, int intermediate_size) {
  // Real models lie well inside; check_widths() bounds the products.
  constexpr int64_t kMaxWidth = 1 << 20;
  const std::string prefix = architecture + ".";
  Hyperparameters h;
  h.architecture = architecture;
  h.name = file.text("general.name", "");
  h.layers = static_cast<int>(file.integer(prefix + "block_count", 1, 4096));
  h.context_length =
      file.integer(prefix + "context_length", 1, std::numeric_limits<int32_t>::max());
  h.hidden_size = static_cast<int>(file.integer(prefix + "embedding_length", 1, kMaxWidth));
  h.intermediate_size = intermediate_size > 0
                            ? intermediate_size
                            : static_cast<int>(scalar_or_equal_array(
                                  file, prefix + "feed_forward_length", 1, kMaxWidth));
  h.heads =
      static_cast<int>(scalar_or_equal_array(file, prefix + "attention.head_count", 1, 65536));
  h.kv_heads = kv_heads > 0 ? kv_heads
               : file.has(prefix + "attention.head_count_kv")
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
  h.norm_epsilon = static_cast<float>(file.real(prefix + "attention.layer_norm_rms_epsilon"));
  const double scale = file.real(prefix + "attention.scale", 0.0);
  if (scale < 0.0) {
    fail(ErrorCode::invalid_file, "{}: {}attention.scale is {}, expected a positive number",
         file.path().string(), prefix, scale);
  }
  h.attention_scale =
      scale > 0.0 ? static_cast<float>(scale) : 1.0f / std::sqrt(static_cast<float>(h.head_dim));
  const std::string activation = file.text(prefix + "hidden_act", "");
  if (activation == "gelu_pytorch_tanh") h.activation = kernels::Activation::gelu_tanh;
  if (!activation.empty() && activation != "silu" && activation != "gelu_pytorch_tanh") {
    fail(ErrorCode::unsupported,
         "{}: activation '{}' is not supported; supported are silu and gelu_pytorch_tanh",
         file.path().string(), activation);
  }
  const formats::TensorView& embedding = file.tensor("token_embd.weight");
  h.vocabulary_size = embedding.shape.empty() ? 0 : embedding.shape.front();
  h.ropes = {describe_rope(file, prefix, h.head_dim)};
  if (h.ropes[0].scaling == RopeScaling::longrope) {
    h.context_length =
        std::min(h.context_length, static_cast<int64_t>(h.ropes[0].original_context));
  }
  h.layer.resize(static_cast<size_t>(h.layers));
  return h;
}

void describe_windows(const formats::ModelFile& file, Hyperparameters& h, int default_period) {
  const std::string prefix = h.architecture + ".attention.sliding_window";
  const auto window = static_cast<int>(file.integer(prefix, 0, INT32_MAX, 0));
  if (window == 0) return;
  std::vector<int64_t> listed = file.integers(prefix + "_layers");
  if (listed.empty()) {
    listed = file.integers(prefix + "_pattern");  // a flag per layer, or the length of a period
  }
  auto period = static_cast<int64_t>(default_period);
  if (listed.size() == 1 && !file.has(prefix + "_layers")) {
    period = file.integer(prefix + "_pattern", 0, INT32_MAX);
    listed.clear();
  }
  if (!listed.empty() && listed.size() != h.layer.size()) {
    fail(ErrorCode::invalid_file, "{}: {}_layers lists {} layers, but the model has {}",
         file.path().string(), prefix, listed.size(), h.layers);
  }
  for (size_t l = 0; l < h.layer.size(); ++l) {
    const bool in_period = period == 0 || (static_cast<int64_t>(l) + 1) % period != 0;
    if (listed.empty() ? in_period : listed[l] != 0) h.layer[l].sliding_window = window;
  }
}

void describe_experts(const formats::ModelFile& file, Hyperparameters& h, bool normalise) {
  constexpr int64_t kMostExperts = 65536;
  constexpr int64_t kMaxWidth = 1 << 20;
  const std::string prefix = h.architecture + ".";
  ExpertParameters& experts = h.experts;
  experts.count = static_cast<int>(file.integer(prefix + "expert_count", 0, kMostExperts, 0));
  if (experts.count == 0) return;
  experts.used = static_cast<int>(file.integer(prefix + "expert_used_count", 1, experts.count));
  experts.intermediate_size = static_cast<int>(
      file.integer(prefix + "expert_feed_forward_length", 1, kMaxWidth, h.intermediate_size));
  experts.normalise = file.boolean(prefix + "expert_weights_norm", normalise);
  const std::vector<int64_t> listed = file.integers(prefix + "expert_layers");
  if (!listed.empty() && listed.size() != h.layer.size()) {
    fail(ErrorCode::invalid_file, "{}: {}expert_layers lists {} layers, but the model has {}",
         file.path().string(), prefix, listed.size(), h.layers);
  }
  for (size_t l = 0; l < h.layer.size(); ++l) h.layer[l].experts = listed.empty() || listed[l] != 0;
}

}  // namespace lazyllm::model
