// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstring>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/float16.h"
#include "formats/model_file.h"
#include "model/weights.h"

namespace lazyllm::model {

inline std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

/// Takes tensors out of a file, checked, into a back end.
class WeightLoader {
 public:
  WeightLoader(const formats::ModelFile& file, const kernels::Backend& backend)
      : file_(file), backend_(&backend) {}

  /// What is taken from here on goes there.
  void load_into(const kernels::Backend& backend) { backend_ = &backend; }

  kernels::WeightSource source(const std::string& name, int64_t rows, int64_t columns) const {
    const formats::TensorView& tensor = take(name);
    check_shape(tensor, {rows, columns});
    return {tensor.name, tensor.type, rows, columns, tensor.data};
  }

  WeightPointer matrix(const std::string& name, int64_t rows, int64_t columns) const {
    return repack(source(name, rows, columns));
  }

  /// `count` rows of a larger matrix, from `first` on.
  WeightPointer slice(const std::string& name, int64_t rows, int64_t columns, int64_t first,
                      int64_t count) const {
    kernels::WeightSource whole = source(name, rows, columns);
    const size_t row_bytes = whole.data.size() / static_cast<size_t>(rows);
    whole.rows = count;
    whole.data = whole.data.subspan(static_cast<size_t>(first) * row_bytes,
                                    static_cast<size_t>(count) * row_bytes);
    return repack(whole);
  }

  /// A matrix of one row, which GGUF keeps as a vector.
  WeightPointer row(const std::string& name, int64_t columns) const {
    const formats::TensorView& tensor = take(name);
    if (tensor.shape.size() == 1) {
      check_shape(tensor, {columns});
    } else {
      check_shape(tensor, {1, columns});
    }
    return repack({tensor.name, tensor.type, 1, columns, tensor.data});
  }

  /// `name` of an expert: a slice of one tensor for all ("ffn_up_exps.weight"), or a tensor of its
  /// own ("ffn_up.7.weight").
  ExpertSource expert(const std::string& name, int expert, int count, int64_t rows,
                      int64_t columns) const {
    const std::string stacked = name + "_exps.weight";
    if (!has(stacked)) return {source(fmt::format("{}.{}.weight", name, expert), rows, columns)};
    return stacked_expert(stacked, expert, count, rows, columns, 0, rows);
  }

  /// `count_rows` rows from `first` on of one expert's matrix in a tensor for all.
  ExpertSource stacked_expert(const std::string& stacked, int expert, int count, int64_t rows,
                              int64_t columns, int64_t first, int64_t count_rows) const {
    const formats::TensorView& tensor = take(stacked);
    check_shape(tensor, {count, rows, columns});
    const int64_t begin = expert * rows + first;
    ExpertSource result;
    result.source = {
        fmt::format("{} (expert {})", stacked, expert), tensor.type, count_rows, columns, {}};
    if (tensor.rows) {
      const formats::RowMaker* const maker = &tensor.rows;  // the file outlives the weights
      result.make = [=](std::byte* out) { maker->make(begin, count_rows, out); };
      return result;
    }
    const size_t row_bytes = tensor.data.size() / static_cast<size_t>(count * rows);
    result.source.data = tensor.data.subspan(static_cast<size_t>(begin) * row_bytes,
                                             static_cast<size_t>(count_rows) * row_bytes);
    return result;
  }

  /// `count` values of a longer vector, from `first` on.
  kernels::Buffer optional_part(const std::string& name, int64_t size, int64_t first, int64_t count,
                                bool required) const {
    const kernels::Buffer whole = optional_vector(name, size, required);
    if (!whole) return {};
    std::vector<float> values(static_cast<size_t>(count));
    backend_->download(whole.floats() + first, values.data(), values.size());
    return uploaded(values);
  }

  /// A matrix as float32 with rows and columns exchanged.
  kernels::Buffer transposed(const std::string& name, int64_t rows, int64_t columns) const {
    const kernels::Buffer plain = small_tensor(name, {rows, columns});
    std::vector<float> values(static_cast<size_t>(rows * columns)), turned(values.size());
    backend_->download(plain.floats(), values.data(), values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t row = i / static_cast<size_t>(columns),
                   column = i % static_cast<size_t>(columns);
      turned[column * static_cast<size_t>(rows) + row] = values[i];
    }
    return uploaded(turned);
  }

  kernels::Buffer ones(int64_t size) const {
    return uploaded(std::vector<float>(static_cast<size_t>(size), 1.0f));
  }

  void download(const kernels::Buffer& from, std::span<float> values) const {
    backend_->download(from.floats(), values.data(), values.size());
  }

  kernels::Buffer uploaded(const std::vector<float>& values) const {
    kernels::Buffer buffer = backend_->allocate(values.size() * sizeof(float));
    backend_->upload(values.data(), buffer.floats(), values.size());
    return buffer;
  }

  float scalar(const std::string& name) const {
    const kernels::Buffer buffer = vector(name, 1);
    float value = 0.0f;
    backend_->download(buffer.floats(), &value, 1);
    return value;
  }

  std::vector<float> host_vector(const std::string& name, int64_t size) const {
    const kernels::Buffer buffer = vector(name, size);
    std::vector<float> values(static_cast<size_t>(size));
    download(buffer, values);
    return values;
  }

  /// A vector times a number.
  kernels::Buffer scaled(const std::string& name, int64_t size, float factor) const {
    std::vector<float> values = host_vector(name, size);
    for (float& x : values) x *= factor;
    return uploaded(values);
  }

  bool has(const std::string& name) const { return file_.find_tensor(name) != nullptr; }
  /// A tensor that may be there and is read by nobody.
  void pass_over(const std::string& name) const {
    if (has(name)) take(name);
  }
  std::string path() const { return file_.path().string(); }

  kernels::Buffer vector(const std::string& name, int64_t size, float offset = 0.0f) const {
    return small_tensor(name, {size}, offset);
  }

  /// Any shape, as float32.
  kernels::Buffer small_tensor(const std::string& name, const std::vector<int64_t>& shape,
                               float offset = 0.0f) const {
    const formats::TensorView& tensor = take(name);
    check_shape(tensor, shape);
    std::vector<float> values = floats(tensor);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i])) {
        fail(ErrorCode::invalid_file,
             "{}: tensor {} holds NaN or infinity at {}; the file is damaged, fetch it again",
             file_.path().string(), name, i);
      }
      values[i] += offset;
    }
    return uploaded(values);
  }

  kernels::Buffer optional_vector(const std::string& name, int64_t size, bool required) const {
    if (!required && file_.find_tensor(name) == nullptr) return {};
    return vector(name, size);
  }

  /// Errors: Error(unsupported) naming a tensor that nothing took: without it the model would
  /// compute something else.
  void check_all_taken() const {
    for (const formats::TensorView& tensor : file_.tensors()) {
      if (taken_.contains(tensor.name) || is_harmless(tensor.name)) continue;
      fail(ErrorCode::unsupported,
           "{}: tensor {} belongs to no part that lazyllm implements for this architecture; take "
           "another model",
           file_.path().string(), tensor.name);
    }
  }

 private:
  WeightPointer repack(const kernels::WeightSource& source) const {
    try {
      return backend_->load_weight(std::span(&source, 1), /*drop_source=*/true);
    } catch (const Error& error) {
      fail(error.code(), "{}: {}", file_.path().string(), error.what());
    }
  }

  /// Read with the hyperparameters, computed anew, or of another modality.
  static bool is_harmless(std::string_view name) {
    for (const std::string_view prefix : {"rope_f", "v.", "a.", "mm."}) {
      if (name.starts_with(prefix)) return true;
    }
    return name.ends_with(".attn_rot_embd") || name.ends_with(".rope_freqs.weight");
  }

  const formats::TensorView& take(const std::string& name) const {
    const formats::TensorView& tensor = file_.tensor(name);
    taken_.insert(tensor.name);
    return tensor;
  }

  void check_shape(const formats::TensorView& tensor, const std::vector<int64_t>& expected) const {
    if (tensor.shape == expected) return;
    fail(ErrorCode::invalid_file,
         "{}: tensor {} has the shape {}, but the model's metadata asks for {}; convert the model "
         "again",
         file_.path().string(), tensor.name, shape_text(tensor.shape), shape_text(expected));
  }

  std::vector<float> floats(const formats::TensorView& tensor) const {
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    if (tensor.type == StorageType::f32) {
      std::memcpy(values.data(), tensor.data.data(), tensor.data.size());
      return values;
    }
    if (tensor.type != StorageType::f16 && tensor.type != StorageType::bf16) {
      fail(ErrorCode::unsupported, "{}: vector {} is stored as {}; F32, F16 and BF16 are supported",
           file_.path().string(), tensor.name, traits(tensor.type).name);
    }
    for (size_t i = 0; i < values.size(); ++i) {
      uint16_t bits = 0;
      std::memcpy(&bits, tensor.data.data() + 2 * i, sizeof bits);
      values[i] = tensor.type == StorageType::f16 ? half_to_float(bits) : bfloat16_to_float(bits);
    }
    return values;
  }

  const formats::ModelFile& file_;
  const kernels::Backend* backend_;
  mutable std::set<std::string_view> taken_;
};

}  // namespace lazyllm::model
