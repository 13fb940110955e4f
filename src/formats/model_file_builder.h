// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "formats/model_file.h"

namespace lazyllm::formats {

/// Fills a ModelFile; the only way to make one. Used by the readers.
class ModelFileBuilder {
 public:
  ModelFileBuilder(Container container, std::filesystem::path path);

  /// Takes a mapping over and returns its bytes, which stay where they are for
  /// the life of the ModelFile.
  std::span<const std::byte> add_mapping(FileMapping mapping);

  /// Errors: Error(invalid_file) if a tensor of that name was added before.
  /// Data that is not aligned for its type is copied.
  void add_tensor(TensorView tensor, const std::string& where);
  /// The same with values that the file does not hold as they are.
  void add_owned_tensor(TensorView tensor, std::vector<std::byte> values, const std::string& where);

  /// A line that the user should see though the file can be used.
  void add_warning(std::string line) { file_->warnings_.push_back(std::move(line)); }

  Metadata& metadata() { return file_->metadata_; }
  void set_file_bytes(uint64_t bytes) { file_->file_bytes_ = bytes; }
  void set_tokenizer_json(std::string text) { file_->tokenizer_json_ = std::move(text); }
  void set_tokenizer_config_json(std::string text) {
    file_->tokenizer_config_json_ = std::move(text);
  }

  const ModelFile& file() const { return *file_; }
  std::shared_ptr<const ModelFile> finish() { return std::move(file_); }

 private:
  std::shared_ptr<ModelFile> file_;
};

}  // namespace lazyllm::formats
