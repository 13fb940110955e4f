// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/error.h"
#include "engine/model_implementation.h"

namespace lazyllm {
namespace {

/// Counts the matrices of a file, multiplication and addition apart.
class Counter {
 public:
  Counter(const formats::ModelFile& file, PrefillWork& work) : file_(file), work_(work) {}

  void add(const std::string& matrix, double rows) {
    const formats::TensorView& tensor = file_.tensor(matrix);
    const bool is_float = traits(tensor.type).block_values == 1;
    (is_float ? work_.linear_float : work_.linear_quantised) +=
        2.0 * rows * static_cast<double>(tensor.elements());
  }

  /// Of layer `p`: each row passes the router, the used ones of its experts, and what all share.
  void add_experts(const std::string& p, const model::ExpertParameters& experts, double rows) {
    add(p + "ffn_gate_inp.weight", rows);
    const double of_each = rows * experts.used / experts.count;
    // Gate and up may be one.
    for (const char* name : {"ffn_gate_up", "ffn_gate", "ffn_up", "ffn_down"}) {
      add_if_there(p + name + "_shexp.weight", rows);
      if (add_if_there(p + name + "_exps.weight", of_each)) continue;
      for (int e = 0; e < experts.count; ++e) {
        if (!add_if_there(fmt::format("{}{}.{}.weight", p, name, e), of_each)) break;
      }
    }
  }

 private:
  bool add_if_there(const std::string& matrix, double rows) {
    if (file_.find_tensor(matrix) == nullptr) return false;
    add(matrix, rows);
    return true;
  }

  const formats::ModelFile& file_;
  PrefillWork& work_;
};

/// (query, key) pairs of `tokens` new tokens that see all before them, or those in a window. In a
/// pruned set a window holds fewer keys than counted here, if its tokens lie far apart.
double visible_pairs(int64_t tokens, int window) {
  const auto n = static_cast<double>(tokens);
  if (window == 0 || window >= tokens) return n * (n + 1.0) / 2.0;
  const auto w = static_cast<double>(window);
  return w * (w + 1.0) / 2.0 + (n - w) * w;
}

}  // namespace

PrefillWork Model::prefill_work(std::span<const int64_t> tokens_per_layer,
                                std::span<const int64_t> looked_at_per_layer) const {
  const formats::ModelFile& file = *implementation_->file;
  const auto& h = implementation_->hyperparameters;
  const auto one_a_layer = [&](std::span<const int64_t> numbers) {
    return numbers.size() == static_cast<size_t>(h->layers);
  };
  if (!h || !one_a_layer(tokens_per_layer) ||
      !(looked_at_per_layer.empty() || one_a_layer(looked_at_per_layer))) {
    fail(ErrorCode::usage, "prefill_work wants one number for each layer of the model");
  }
  PrefillWork work;
  Counter linear(file, work);
  for (int layer = 0; layer < h->layers; ++layer) {
    const bool shares = layer >= h->kv_layers();
    const bool last = layer + 1 >= h->kv_layers();
    // Past the last keys and values goes only one token, over those of all that came there.
    const int64_t tokens =
        tokens_per_layer[static_cast<size_t>(std::min(layer, h->kv_layers() - 1))];
    const double full = last ? 1.0 : static_cast<double>(tokens);
    const int64_t looked_at =
        looked_at_per_layer.empty() ? 0 : looked_at_per_layer[static_cast<size_t>(layer)];
    const std::string p = fmt::format("blk.{}.", layer);
    const auto keys = static_cast<double>(tokens + looked_at);
    if (h->per_layer_size > 0) {
      linear.add("per_layer_model_proj.weight", full / h->layers);
      linear.add(p + "inp_gate.weight", full);
      linear.add(p + "proj.weight", full);
    }
    const bool convolves = h->convolves(layer);
    linear.add(p + (convolves ? "shortconv.out_proj.weight" : "attn_output.weight"), full);
    if (convolves) {  // two of its three parts are kept; the convolution itself is next to nothing
      linear.add(p + "shortconv.in_proj.weight", (2.0 * keys + full) / 3.0);
    } else if (shares) {
      linear.add(p + "attn_q.weight", full);
    } else if (h->fused_qkv) {
      const double kv_share =
          2.0 * h->kv_size(layer) / (h->q_size(layer) + 2.0 * h->kv_size(layer));
      linear.add(p + "attn_qkv.weight", keys * kv_share + full * (1.0 - kv_share));
    } else {
      linear.add(p + "attn_k.weight", keys);
      if (!h->layer[static_cast<size_t>(layer)].values_are_keys) {
        linear.add(p + "attn_v.weight", keys);
      }
      linear.add(p + "attn_q.weight", full);
    }
    if (h->layer[static_cast<size_t>(layer)].experts) {
      linear.add_experts(p, h->experts, full);
    }
    if (!h->layer[static_cast<size_t>(layer)].experts || h->experts.beside_feed_forward) {
      if (!h->fused_gate_up) linear.add(p + "ffn_gate.weight", full);
      linear.add(p + "ffn_up.weight", full);
      linear.add(p + "ffn_down.weight", full);
    }
    if (convolves) continue;
    const int window = h->layer[static_cast<size_t>(layer)].sliding_window;
    const double pairs =
        last ? static_cast<double>(window == 0 ? tokens : std::min<int64_t>(tokens, window))
             : visible_pairs(tokens, window);
    work.attention += 4.0 * pairs * h->q_size(layer);
  }
  linear.add(file.find_tensor("output.weight") == nullptr ? "token_embd.weight" : "output.weight",
             1.0);
  return work;
}

}  // namespace lazyllm
