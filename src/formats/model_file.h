// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/file_mapping.h"
#include "base/storage_type.h"

namespace lazyllm::formats {

/// Makes rows of a tensor that its file stores in another form: `count` rows from `first` on
/// (those of all leading dimensions counted through) into `out`. Thread-safe.
struct RowMaker {
  std::function<void(int64_t first, int64_t count, std::byte* out)> make{};
  std::vector<std::span<const std::byte>> sources{};  ///< what they are made from

  explicit operator bool() const { return make != nullptr; }
};

/// Where a tensor's values lie. Rows are contiguous: shape is outermost first,
/// {rows, columns} for a matrix (GGUF's dimensions reversed, Hugging Face's order).
struct TensorView {
  std::string name;  ///< GGUF's name: "blk.3.attn_q.weight"
  StorageType type = StorageType::f32;
  std::vector<int64_t> shape;  ///< every extent >= 1; the product fits into int64_t
  /// Inside the mapped file; length checked against shape and type, start aligned
  /// for the type's elements (4 bytes for F32, else at least 2).
  std::span<const std::byte> data;
  RowMaker rows{};  ///< if set, `data` is empty; only experts' matrices have it

  int64_t elements() const;
};

using MetadataValue =
    std::variant<bool, int64_t, uint64_t, double, std::string, std::vector<int64_t>,
                 std::vector<double>, std::vector<std::string>, std::vector<bool>,
                 std::vector<uint8_t>, std::vector<int8_t>>;

/// Readers use int64_t for every integer that fits; uint64_t holds only larger ones. Lists of
/// bytes stay bytes, so that they take no more memory than in the file.
using Metadata = std::map<std::string, MetadataValue, std::less<>>;

/// What kind of file the view was made from. Architectures need it, because
/// converters rearrange some tensors (llama's q and k rows, gemma's norm weights).
enum class Container { gguf, hugging_face };

/// A model file or folder as one read-only view of tensors and metadata, under
/// GGUF's names and keys ("llama.block_count", "tokenizer.ggml.model").
/// A Hugging Face folder is translated to them on opening.
/// Immutable after opening; shareable between threads.
class ModelFile {
 public:
  Container container() const { return container_; }
  /// The path the user named.
  const std::filesystem::path& path() const { return path_; }
  /// Sum of the sizes of all files that hold tensors.
  uint64_t file_bytes() const { return file_bytes_; }

  const std::vector<TensorView>& tensors() const { return tensors_; }
  const TensorView* find_tensor(std::string_view name) const;
  /// Errors: Error(invalid_file) that names the file and the tensor.
  const TensorView& tensor(std::string_view name) const;

  /// What a user should know of this file though it can be used, a line each.
  const std::vector<std::string>& warnings() const { return warnings_; }

  const Metadata& metadata() const { return metadata_; }
  bool has(std::string_view key) const;

  // Typed reads. The forms with a fallback return it when the key is absent; the
  // others throw Error(invalid_file) naming file and key. Both throw when the key
  // is there with another type or a value out of range. Integers of any width and
  // signedness are accepted where an integer is wanted, integers where a real is.
  std::string text(std::string_view key) const;
  std::string text(std::string_view key, std::string_view fallback) const;
  int64_t integer(std::string_view key, int64_t minimum, int64_t maximum) const;
  int64_t integer(std::string_view key, int64_t minimum, int64_t maximum, int64_t fallback) const;
  double real(std::string_view key) const;
  double real(std::string_view key, double fallback) const;
  bool boolean(std::string_view key, bool fallback) const;
  /// Empty when absent. A scalar counts as a list of one, because several keys
  /// (feed_forward_length, attention.head_count) are a scalar or one value per layer;
  /// booleans in a list count as 0 and 1.
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> reals(std::string_view key) const;
  const std::vector<std::string>& texts(std::string_view key) const;

  /// Hugging Face folders only: the text of tokenizer.json and tokenizer_config.json;
  /// empty when the file is absent.
  const std::string& tokenizer_json() const { return tokenizer_json_; }
  const std::string& tokenizer_config_json() const { return tokenizer_config_json_; }

 private:
  friend class ModelFileBuilder;
  const MetadataValue* find_value(std::string_view key) const;
  const MetadataValue& value(std::string_view key) const;
  [[noreturn]] void fail_type(std::string_view key, std::string_view wanted) const;

  Container container_ = Container::gguf;
  std::filesystem::path path_;
  uint64_t file_bytes_ = 0;
  std::vector<FileMapping> mappings_;
  std::vector<std::vector<std::byte>> aligned_copies_;  ///< of tensors a file does not align
  std::vector<TensorView> tensors_;
  std::map<std::string, size_t, std::less<>> tensor_index_;
  Metadata metadata_;
  std::vector<std::string> warnings_;
  std::string tokenizer_json_;
  std::string tokenizer_config_json_;
};

/// Opens a .gguf file (v2 or v3; any file of a split set opens the whole set) or a
/// Hugging Face folder (config.json + *.safetensors). Every count, offset and
/// product of sizes is checked before use: a hostile file ends in
/// Error(invalid_file) or Error(unsupported), with path, place and reason.
std::shared_ptr<const ModelFile> open_model_file(const std::filesystem::path& path);

}  // namespace lazyllm::formats
