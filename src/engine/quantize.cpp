// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <thread>

#include "base/error.h"
#include "base/thread_pool.h"
#include "engine/gguf_form.h"
#include "formats/gguf_writer.h"
#include "kernels/dequantize.h"
#include "kernels/quantize.h"

namespace lazyllm {
namespace {

using formats::TensorView;

/// What a name on the command line stands for.
struct Recipe {
  std::string_view name;
  StorageType type;
  bool mixed = false;  ///< Q6_K for the output and for half of what `suffers`
  int64_t file_type;   ///< general.file_type
  /// Of the experts' matrices, where they differ from the others.
  std::optional<StorageType> experts = {};
};

constexpr Recipe kRecipes[] = {{"F32", StorageType::f32, false, 0},
                               {"F16", StorageType::f16, false, 1},
                               {"BF16", StorageType::bf16, false, 32},
                               {"Q8_0", StorageType::q8_0, false, 7},
                               {"Q6_K", StorageType::q6_k, false, 18},
                               {"Q4_0", StorageType::q4_0, false, 2},
                               {"Q4_K_M", StorageType::q4_k, true, 15},
                               {"Q5_K_M", StorageType::q5_k, true, 17},
                               {"MXFP4", StorageType::q8_0, false, 38, StorageType::mxfp4}};

const Recipe& find_recipe(const std::string& name) {
  for (const Recipe& recipe : kRecipes) {
    if (recipe.name == name) return recipe;
  }
  fail(ErrorCode::usage, "'{}' is no type that can be written; there are {}", name,
       quantize_types());
}

bool is_matrix(const TensorView& tensor) {
  // Small, read as float32, or chosen by: what is lost there is lost for all.
  for (const char* part :
       {"norm", "ffn_gate_inp", "rope_f", "attn_sinks", "shortconv.conv", ".bias"}) {
    if (tensor.name.find(part) != std::string::npos) return false;
  }
  return tensor.shape.size() >= 2;
}

bool is_of_experts(const TensorView& tensor) {
  return is_matrix(tensor) && tensor.name.find("_exps.") != std::string::npos;
}

/// Number of the layer, or -1.
int64_t layer_of(const std::string& name) {
  return name.starts_with("blk.") ? std::atoll(name.c_str() + 4) : -1;
}

/// Values and the second matrix of the feed-forward, in the first and last eighth of the layers and
/// in every third between: llama.cpp's choice for "M".
bool suffers(const TensorView& tensor, int64_t layers) {
  const bool kind = tensor.name.find("attn_v.") != std::string::npos ||
                    tensor.name.find("ffn_down") != std::string::npos;
  const int64_t layer = layer_of(tensor.name);
  const int64_t eighth = layers / 8;
  return kind && (layer < eighth || layer >= 7 * eighth || (layer - eighth) % 3 == 2);
}

bool fits(StorageType type, int64_t columns) {
  return columns % traits(type).block_values == 0;
}

struct Plan {
  StorageType type = StorageType::f32;
  bool kept = false;
};

Plan plan_tensor(const TensorView& tensor, const Recipe& recipe, int64_t layers, bool tied) {
  if (!is_matrix(tensor)) return {StorageType::f32, true};
  const bool is_output = tensor.name == (tied ? "token_embd.weight" : "output.weight");
  StorageType type = recipe.type;
  if (recipe.experts && is_of_experts(tensor)) type = *recipe.experts;
  const bool coarse =
      type == StorageType::q4_0 || type == StorageType::q4_k || type == StorageType::q5_k;
  if ((is_output && coarse) || (recipe.mixed && suffers(tensor, layers))) type = StorageType::q6_k;
  const int64_t columns = tensor.shape.back();
  if (!fits(type, columns))
    type = fits(StorageType::q8_0, columns) ? StorageType::q8_0 : StorageType::f16;
  const bool is_float = tensor.type == StorageType::f32 || tensor.type == StorageType::f16 ||
                        tensor.type == StorageType::bf16;
  const int64_t block = 256 * 32;  // a multiple of every type's
  if (tensor.type == type ||
      (!is_float && row_bytes(tensor.type, block) <= row_bytes(type, block))) {
    return {tensor.type, true};
  }
  return {type, false};
}

/// Makes rows of another type.
formats::RowMaker converted(const TensorView& tensor, StorageType type, ThreadPool& pool,
                            const std::string& where) {
  if (tensor.type == type) return tensor.rows;
  const int64_t columns = tensor.shape.back();
  const auto from_bytes = static_cast<size_t>(row_bytes(tensor.type, columns));
  const auto to_bytes = static_cast<size_t>(row_bytes(type, columns));
  const auto make = [=, &pool, rows = tensor.rows, from = tensor.type, name = tensor.name](
                        int64_t first, int64_t count, std::byte* out) {
    pool.parallel_for(count, [&](int64_t r, int) {
      std::vector<std::byte> stored(from_bytes);
      std::vector<float> values(static_cast<size_t>(columns));
      rows.make(first + r, 1, stored.data());
      kernels::dequantize_row(from, stored.data(), columns, values.data());
      const auto finite = [](float x) { return std::isfinite(x); };
      if (!std::all_of(values.begin(), values.end(), finite)) {
        fail(ErrorCode::invalid_file,
             "{}: tensor {} holds NaN or infinity in row {}; the file is damaged, fetch it again",
             where, name, first + r);
      }
      kernels::quantize_row(type, values.data(), columns, out + static_cast<size_t>(r) * to_bytes);
    });
  };
  return {make, {}};
}

}  // namespace

std::string quantize_types() {
  std::string list;
  for (const Recipe& recipe : kRecipes) {
    if (!list.empty()) list += ", ";
    list += recipe.name;
  }
  return list;
}

QuantizeReport quantize_model(const std::filesystem::path& in, const std::filesystem::path& out,
                              const QuantizeOptions& options) {
  const Recipe& recipe = find_recipe(options.type);
  std::error_code ignored;
  if (std::filesystem::is_directory(out, ignored)) {
    fail(ErrorCode::invalid_input, "{} is a folder; name the GGUF file to write", out.string());
  }
  if (std::filesystem::equivalent(in, out, ignored)) {
    fail(ErrorCode::invalid_input, "{} would be written over itself; name another file",
         in.string());
  }
  const auto file = formats::open_model_file(in);
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  ThreadPool pool(options.threads > 0 ? options.threads : cores);

  formats::GgufWriter writer;
  formats::Metadata metadata = engine::gguf_metadata(*file);
  metadata["general.file_type"] = recipe.file_type;
  metadata["general.quantization_version"] = int64_t{2};
  for (auto& [key, value] : metadata) {
    if (key != "general.alignment") writer.set(key, std::move(value));
  }
  const std::string architecture = file->text("general.architecture");
  const int64_t layers = file->integer(architecture + ".block_count", 1, 10'000);
  const bool tied = file->find_tensor("output.weight") == nullptr;
  const std::vector<TensorView> tensors = engine::gguf_tensors(*file);
  if (recipe.experts && std::none_of(tensors.begin(), tensors.end(), is_of_experts)) {
    fail(ErrorCode::unsupported,
         "{} is for the experts of a mixture, and {} has none; take another type, such as Q4_K_M",
         recipe.name, in.string());
  }
  QuantizeReport report;
  for (const TensorView& tensor : tensors) {
    const Plan plan = plan_tensor(tensor, recipe, layers, tied);
    const int64_t rows = tensor.elements() / tensor.shape.back();
    report.bytes_before +=
        static_cast<uint64_t>(rows * row_bytes(tensor.type, tensor.shape.back()));
    report.bytes_after += static_cast<uint64_t>(rows * row_bytes(plan.type, tensor.shape.back()));
    (plan.kept ? report.kept : report.quantized) += 1;
    writer.add_tensor(tensor.name, plan.type, tensor.shape,
                      converted(tensor, plan.type, pool, in.string()));
  }
  writer.write(out, options.progress);
  return report;
}

}  // namespace lazyllm
