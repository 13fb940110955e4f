// SPDX-License-Identifier: Apache-2.0
#include "engine/gguf_form.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "base/error.h"
#include "kernels/dequantize.h"
#include "model/architecture.h"
#include "model/rope.h"

namespace lazyllm::engine {
namespace {

using formats::ModelFile;
using formats::RowMaker;
using formats::TensorView;

int64_t columns_of(const TensorView& tensor) {
  return tensor.shape.back();
}

RowMaker rows_of(const TensorView& tensor) {
  if (tensor.rows) return tensor.rows;
  const auto bytes = static_cast<size_t>(row_bytes(tensor.type, columns_of(tensor)));
  const std::span<const std::byte> data = tensor.data;
  return {[=](int64_t first, int64_t count, std::byte* out) {
            std::memcpy(out, data.data() + static_cast<size_t>(first) * bytes,
                        static_cast<size_t>(count) * bytes);
          },
          {data}};
}

/// Row r of the result is row from(r) of the tensor.
template <typename From>
RowMaker reordered(const TensorView& tensor, From from) {
  const RowMaker rows = rows_of(tensor);
  const auto bytes = static_cast<size_t>(row_bytes(tensor.type, columns_of(tensor)));
  return {[=](int64_t first, int64_t count, std::byte* out) {
            for (int64_t r = first; r < first + count; ++r, out += bytes)
              rows.make(from(r), 1, out);
          },
          rows.sources};
}

/// The float32 values of a vector, plus a number.
RowMaker plus(const TensorView& tensor, float offset) {
  const RowMaker rows = rows_of(tensor);
  const StorageType type = tensor.type;
  const int64_t columns = columns_of(tensor);
  return {[=](int64_t first, int64_t count, std::byte* out) {
            std::vector<std::byte> row(static_cast<size_t>(row_bytes(type, columns)));
            std::vector<float> values(static_cast<size_t>(columns));
            for (int64_t r = first; r < first + count; ++r) {
              rows.make(r, 1, row.data());
              kernels::dequantize_row(type, row.data(), columns, values.data());
              for (float& x : values) x += offset;
              std::memcpy(out, values.data(), values.size() * sizeof(float));
              out += values.size() * sizeof(float);
            }
          },
          rows.sources};
}

/// From rotation of the halves (i, i + n/2) to rotation of neighbours (2i, 2i + 1), head by head.
/// Of a bias every value is a row.
TensorView permuted(const TensorView& tensor, int64_t heads) {
  TensorView result = tensor;
  const bool bias = tensor.shape.size() == 1;
  if (bias) result.shape = {tensor.shape[0], 1};
  const int64_t head = result.shape[0] / heads;
  result.data = tensor.data;
  result.rows = reordered(result, [=](int64_t r) {
    const int64_t in_head = r % head;
    return r - in_head + in_head / 2 + in_head % 2 * (head / 2);
  });
  result.data = {};
  if (!bias) return result;
  const RowMaker one_by_one = result.rows;  // a row of one value each
  result.shape = tensor.shape;
  const int64_t count = tensor.shape[0];
  result.rows.make = [=](int64_t, int64_t, std::byte* out) { one_by_one.make(0, count, out); };
  return result;
}

/// Half of the rows of a matrix, or of each matrix of a stack.
TensorView half_of(const TensorView& tensor, std::string name, bool second) {
  TensorView result = tensor;
  result.name = std::move(name);
  const size_t dimension = tensor.shape.size() - 2;
  const int64_t all = tensor.shape[dimension];
  const int64_t half = all / 2;
  result.shape[dimension] = half;
  result.rows =
      reordered(tensor, [=](int64_t r) { return r / half * all + r % half + (second ? half : 0); });
  result.data = {};
  return result;
}

std::string replaced(std::string name, std::string_view from, std::string_view to) {
  const size_t at = name.find(from);
  return at == std::string::npos ? name : name.replace(at, from.size(), to);
}

/// Changes a folder's tensors one by one; experts that lie apart are gathered.
class Converter {
 public:
  explicit Converter(const ModelFile& file)
      : file_(file), h_(model::describe(file)), gemma_(h_.norm_weight_offset != 0.0f) {
    neighbours_ = std::find(std::begin(kNeighbours), std::end(kNeighbours), h_.architecture) !=
                  std::end(kNeighbours);
    if (neighbours_ && h_.ropes[0].rotated != h_.head_dim) {
      fail(ErrorCode::unsupported,
           "{}: only {} of {} values of a head are rotated, for which GGUF files of {} have no "
           "form",
           file.path().string(), h_.ropes[0].rotated, h_.head_dim, h_.architecture);
    }
  }

  std::vector<TensorView> run() {
    for (const TensorView& tensor : file_.tensors()) convert(tensor);
    for (auto& [name, experts] : stacks_) stack(name, experts);
    const model::RopeParameters& rope = h_.ropes[0];
    if (rope.scaling == model::RopeScaling::llama3) add_rope_divisors();
    if (rope.scaling == model::RopeScaling::none) add_divisors(rope.frequency_divisors);
    return std::move(result_);
  }

 private:
  static constexpr std::string_view kNeighbours[] = {"llama", "granite", "granitemoe", "mistral3",
                                                     "smollm3"};

  void convert(const TensorView& tensor) {
    const std::string& name = tensor.name;
    if (gather_expert(tensor)) return;
    TensorView result = tensor;
    if (name.find("ffn_gate_up_") != std::string::npos) {
      result_.push_back(half_of(tensor, replaced(name, "ffn_gate_up_", "ffn_gate_"), false));
      result_.push_back(half_of(tensor, replaced(name, "ffn_gate_up_", "ffn_up_"), true));
      return;
    }
    if (neighbours_ && name.find(".attn_q.") != std::string::npos) {
      result = permuted(tensor, h_.heads);
    } else if (neighbours_ && name.find(".attn_k.") != std::string::npos) {
      result = permuted(tensor, h_.kv_heads);
    } else if (gemma_ && name.ends_with("norm.weight")) {
      result.rows = plus(tensor, h_.norm_weight_offset);
      result.type = StorageType::f32;
    } else {
      result.rows = rows_of(tensor);
    }
    result.data = {};
    if (name.ends_with("ffn_gate_inp_shexp.weight")) result.shape = {columns_of(tensor)};
    if (h_.architecture == "seed_oss" || h_.architecture == "gpt-oss") {
      result.name = replaced(result.name, ".ffn_norm.", ".post_attention_norm.");
    }
    result_.push_back(std::move(result));
  }

  /// "blk.3.ffn_up.7.weight" goes to "blk.3.ffn_up_exps.weight".
  bool gather_expert(const TensorView& tensor) {
    for (const char* part : {"ffn_gate", "ffn_up", "ffn_down"}) {
      const std::string infix = fmt::format(".{}.", part);
      const size_t at = tensor.name.find(infix);
      if (at == std::string::npos) continue;
      const std::string rest = tensor.name.substr(at + infix.size());
      if (rest.empty() || rest[0] < '0' || rest[0] > '9') return false;
      const std::string name = fmt::format("{}.{}_exps.weight", tensor.name.substr(0, at), part);
      stacks_[name][std::stoi(rest)] = &tensor;
      return true;
    }
    return false;
  }

  void stack(const std::string& name, const std::map<int, const TensorView*>& experts) {
    const TensorView& first = *experts.begin()->second;
    std::vector<RowMaker> makers;
    for (const auto& [expert, tensor] : experts) {
      if (tensor->shape != first.shape || tensor->type != first.type ||
          expert != static_cast<int>(makers.size())) {
        fail(ErrorCode::unsupported,
             "{}: the experts of {} differ in shape or type, or one is missing",
             file_.path().string(), name);
      }
      makers.push_back(rows_of(*tensor));
    }
    TensorView result = first;
    result.name = name;
    result.data = {};
    result.shape.insert(result.shape.begin(), static_cast<int64_t>(makers.size()));
    const int64_t rows = first.shape[0];
    const auto bytes = static_cast<size_t>(row_bytes(first.type, columns_of(first)));
    result.rows.make = [=](int64_t from, int64_t count, std::byte* out) {
      for (int64_t r = from; r < from + count; ++r, out += bytes) {
        makers[static_cast<size_t>(r / rows)].make(r % rows, 1, out);
      }
    };
    result_.push_back(std::move(result));
  }

  /// Converters write what the frequencies are divided by.
  void add_rope_divisors() {
    model::RopeParameters plain = h_.ropes[0];
    plain.scaling = model::RopeScaling::none;
    const std::vector<float> scaled = model::inverse_frequencies(h_.ropes[0]);
    std::vector<float> divisors = model::inverse_frequencies(plain);
    for (size_t i = 0; i < divisors.size(); ++i) divisors[i] /= scaled[i];
    add_divisors(std::move(divisors));
  }

  void add_divisors(std::vector<float> divisors) {
    if (divisors.empty()) return;
    TensorView tensor;
    tensor.name = "rope_freqs.weight";
    tensor.shape = {std::ssize(divisors)};
    tensor.rows.make = [divisors](int64_t, int64_t, std::byte* out) {
      std::memcpy(out, divisors.data(), divisors.size() * sizeof(float));
    };
    result_.push_back(std::move(tensor));
  }

  const ModelFile& file_;
  const model::Hyperparameters h_;
  bool gemma_, neighbours_ = false;
  std::map<std::string, std::map<int, const TensorView*>> stacks_;
  std::vector<TensorView> result_;
};

}  // namespace

std::vector<GgufFormTensor> gguf_tensors(const ModelFile& file) {
  if (file.container() == formats::Container::hugging_face) return Converter(file).run();
  std::vector<TensorView> tensors = file.tensors();
  for (TensorView& tensor : tensors) {
    tensor.rows = rows_of(tensor);
    tensor.data = {};
  }
  return tensors;
}

formats::Metadata gguf_metadata(const ModelFile& file) {
  formats::Metadata metadata = file.metadata();
  for (const char* key : {"split.no", "split.count", "split.tensors.count"}) metadata.erase(key);
  if (file.container() != formats::Container::hugging_face) return metadata;
  const std::string scaling = file.text("general.architecture") + ".rope.scaling.";
  if (file.text(scaling + "type", "") == "llama3") {  // a tensor says it all
    for (const char* key : {"type", "factor", "low_freq_factor", "high_freq_factor"}) {
      metadata.erase(scaling + key);
    }
  }
  metadata.erase("gemma4.rope.proportion");  // so does one there
  metadata.erase("gemma4.attention.k_eq_v");
  if (file.text("general.architecture") == "gemma2") {  // GGUF's rule where a file says nothing
    metadata.emplace("gemma2.attn_logit_softcapping", 0.0);
    metadata.emplace("gemma2.final_logit_softcapping", 0.0);
  }
  if (!file.tokenizer_json().empty()) {
    metadata["tokenizer.huggingface.json"] = file.tokenizer_json();
    metadata["tokenizer.huggingface.config"] = file.tokenizer_config_json();
  }
  return metadata;
}

}  // namespace lazyllm::engine
