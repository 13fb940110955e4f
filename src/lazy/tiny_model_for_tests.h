// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <memory>
#include <random>
#include <string>

#include "formats/gguf_writer.h"
#include "model/architecture.h"
#include "model/transformer.h"

namespace lazyllm::lazy {

struct TinyShape {
  int layers = 4, hidden = 32, heads = 4, kv_heads = 2, head_dim = 8, intermediate = 48;
  int vocabulary = 64, context = 256;
  int experts = 0;                     // of which each token passes two
  std::vector<int> convolutions = {};  // layers (0-based) that are one, over 3 tokens: lfm2
  uint64_t seed = 1;
  int damaged_token = -1;     // whose embedding is no number
  bool damaged_norm = false;  // so that no logit is a number
  /// Above 0: gemma4 with `layers` layers of their own keys and values, of which the last one alone
  /// slides, and so many behind that read those of the last two, in turns; per-layer embeddings.
  int shared_kv_layers = 0;
  int damaged_layer_token = -1;  // whose embedding for the layers is no number
};

/// What a gemma4 file has beside what a llama file has.
template <typename Set, typename Matrix, typename Norm>
void write_gemma4_parts(const TinyShape& s, formats::GgufWriter& writer, const Set& set,
                        const Matrix& matrix, const Norm& norm) {
  constexpr int kPerLayer = 6;
  const int all = s.layers + s.shared_kv_layers;
  std::vector<int64_t> slides, widths;
  for (int l = 0; l < all; ++l) {
    slides.push_back(l + 1 >= s.layers && (l + 1 - s.layers) % 2 == 0);
    widths.push_back(l < s.layers ? s.intermediate : 2 * s.intermediate);
  }
  set("attention.shared_kv_layers", s.shared_kv_layers);
  set("attention.sliding_window", 12);
  set("embedding_length_per_layer_input", kPerLayer);
  writer.set("gemma4.attention.sliding_window_pattern", formats::MetadataValue(slides));
  writer.set("gemma4.feed_forward_length", formats::MetadataValue(widths));
  writer.add_tensor("rope_freqs.weight", {s.head_dim / 2},
                    std::vector<float>(static_cast<size_t>(s.head_dim / 2), 1.0f));
  matrix("per_layer_token_embd.weight", s.vocabulary, all * kPerLayer, 0.5f);
  matrix("per_layer_model_proj.weight", all * kPerLayer, s.hidden, 1.0f);
  norm("per_layer_proj_norm.weight", kPerLayer, 1.0f);
  for (int l = 0; l < all; ++l) {
    const std::string p = "blk." + std::to_string(l) + ".";
    norm(p + "attn_q_norm.weight", s.head_dim, 0.8f);
    if (l < s.layers) norm(p + "attn_k_norm.weight", s.head_dim, 0.8f);
    norm(p + "post_attention_norm.weight", s.hidden, 1.0f);
    norm(p + "post_ffw_norm.weight", s.hidden, 1.0f);
    norm(p + "layer_output_scale.weight", 1, 0.8f);
    norm(p + "post_norm.weight", s.hidden, 1.0f);
    matrix(p + "inp_gate.weight", kPerLayer, s.hidden, 0.2f);
    matrix(p + "proj.weight", s.hidden, kPerLayer, 0.4f);
  }
}

/// A random llama model, lfm2 where it has convolutions, gemma4 where it shares keys, as a GGUF
/// file without a tokenizer.
inline void write_tiny_model(const TinyShape& s, const std::filesystem::path& path) {
  formats::GgufWriter writer;
  const bool hybrid = !s.convolutions.empty();
  const std::string architecture = hybrid ? "lfm2" : s.shared_kv_layers > 0 ? "gemma4" : "llama";
  const int layers = s.layers + s.shared_kv_layers;
  const auto convolves = [&](int layer) {
    return std::find(s.convolutions.begin(), s.convolutions.end(), layer) != s.convolutions.end();
  };
  const auto set = [&](const std::string& key, int value) {
    writer.set(architecture + "." + key, formats::MetadataValue(static_cast<int64_t>(value)));
  };
  writer.set("general.architecture", formats::MetadataValue(architecture));
  set("block_count", layers);
  set("context_length", s.context);
  set("embedding_length", s.hidden);
  set("feed_forward_length", s.intermediate);
  set("attention.head_count", s.heads);
  constexpr int kTaps = 3;
  if (hybrid) {
    std::vector<int64_t> heads;
    for (int l = 0; l < s.layers; ++l) heads.push_back(convolves(l) ? 0 : s.kv_heads);
    writer.set("lfm2.attention.head_count_kv", formats::MetadataValue(heads));
    set("shortconv.l_cache", kTaps);
  } else {
    set("attention.head_count_kv", s.kv_heads);
  }
  set("attention.key_length", s.head_dim);
  set("attention.value_length", s.head_dim);
  writer.set(architecture + ".attention.layer_norm_rms_epsilon", formats::MetadataValue(1e-5));
  if (s.experts > 0) {
    set("expert_count", s.experts);
    set("expert_used_count", 2);
  }

  std::mt19937_64 generator(s.seed);
  std::normal_distribution<float> normal;
  const auto matrix = [&](const std::string& name, int rows, int columns, float scale) {
    std::vector<float> values(static_cast<size_t>(rows) * static_cast<size_t>(columns));
    for (float& value : values) value = scale * normal(generator);
    if (name == "token_embd.weight" && s.damaged_token >= 0)
      values[s.damaged_token * columns] = NAN;
    if (name == "per_layer_token_embd.weight" && s.damaged_layer_token >= 0)
      values[(s.damaged_layer_token + 1) * columns - 1] = NAN;
    writer.add_tensor(name, {rows, columns}, values);
  };
  const auto norm = [&](const std::string& name, int size, float mean) {
    std::vector<float> values(static_cast<size_t>(size));
    for (float& value : values) value = mean + 0.1f * normal(generator);
    if (name == "output_norm.weight" && s.damaged_norm) values.assign(values.size(), 3e38f);
    writer.add_tensor(name, {size}, values);
  };
  matrix("token_embd.weight", s.vocabulary, s.hidden, 1.0f);
  if (s.damaged_token >= 0) matrix("output.weight", s.vocabulary, s.hidden, 1.0f);
  norm("output_norm.weight", s.hidden, 1.0f);
  for (int l = 0; l < layers; ++l) {
    const std::string p = "blk." + std::to_string(l) + ".";
    const bool shares = l >= s.layers;
    const int intermediate = shares ? 2 * s.intermediate : s.intermediate;
    norm(p + "attn_norm.weight", s.hidden, 1.0f);
    norm(p + "ffn_norm.weight", s.hidden, 1.0f);
    if (convolves(l)) {
      matrix(p + "shortconv.in_proj.weight", 3 * s.hidden, s.hidden, 0.2f);
      matrix(p + "shortconv.conv.weight", s.hidden, kTaps, 0.7f);
      matrix(p + "shortconv.out_proj.weight", s.hidden, s.hidden, 0.2f);
    } else {
      // Large enough that attention is peaked and scores are well apart.
      matrix(p + "attn_q.weight", s.heads * s.head_dim, s.hidden, 0.4f);
      if (!shares) matrix(p + "attn_k.weight", s.kv_heads * s.head_dim, s.hidden, 0.4f);
      if (!shares) matrix(p + "attn_v.weight", s.kv_heads * s.head_dim, s.hidden, 0.2f);
      matrix(p + "attn_output.weight", s.hidden, s.heads * s.head_dim, 0.2f);
    }
    if (hybrid && !convolves(l)) {
      norm(p + "attn_q_norm.weight", s.head_dim, 1.0f);
      norm(p + "attn_k_norm.weight", s.head_dim, 1.0f);
    }
    if (s.experts > 0) matrix(p + "ffn_gate_inp.weight", s.experts, s.hidden, 0.5f);
    for (int e = 0; e < std::max(s.experts, 1); ++e) {
      const std::string of = (s.experts > 0 ? "." + std::to_string(e) : "") + ".weight";
      matrix(p + "ffn_gate" + of, intermediate, s.hidden, 0.2f);
      matrix(p + "ffn_up" + of, intermediate, s.hidden, 0.2f);
      matrix(p + "ffn_down" + of, s.hidden, intermediate, 0.2f);
    }
  }
  if (s.shared_kv_layers > 0) write_gemma4_parts(s, writer, set, matrix, norm);
  writer.write(path);
}

/// A name in the temporary folder that no other test uses.
inline std::filesystem::path temporary_model_path() {
  static std::atomic<int> counter{0};
  return std::filesystem::temp_directory_path() /
         ("lazyllm-tiny-" + std::to_string(getpid()) + "-" + std::to_string(counter++) + ".gguf");
}

/// A random llama model, written as a GGUF file, read back and ready to compute.
class TinyModel {
 public:
  explicit TinyModel(const TinyShape& shape, int threads = 2, const std::string& isa = "")
      : backend_(kernels::create_cpu_backend(isa, threads)) {
    const std::filesystem::path path = temporary_model_path();
    write_tiny_model(shape, path);
    file_ = formats::open_model_file(path);
    std::filesystem::remove(path);  // the mapping lives on
    model::Hyperparameters h = model::describe(*file_);
    model::Weights weights = model::load_weights(*file_, h, *backend_);
    transformer_ =
        std::make_unique<model::Transformer>(std::move(h), std::move(weights), *backend_);
  }

  const model::Transformer& transformer() const { return *transformer_; }

 private:
  std::unique_ptr<kernels::Backend> backend_;
  std::shared_ptr<const formats::ModelFile> file_;
  std::unique_ptr<const model::Transformer> transformer_;
};

}  // namespace lazyllm::lazy
