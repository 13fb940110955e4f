// SPDX-License-Identifier: Apache-2.0
#include "formats/model_file_builder.h"

#include "base/error.h"
#include "base/quote.h"

namespace lazyllm::formats {

ModelFileBuilder::ModelFileBuilder(Container container, std::filesystem::path path)
    : file_(std::make_shared<ModelFile>()) {
  file_->container_ = container;
  file_->path_ = std::move(path);
}

std::span<const std::byte> ModelFileBuilder::add_mapping(FileMapping mapping) {
  file_->file_bytes_ += mapping.bytes().size();
  file_->mappings_.push_back(std::move(mapping));
  return file_->mappings_.back().bytes();
}

void ModelFileBuilder::add_tensor(TensorView tensor, const std::string& where) {
  const auto [place, is_new] = file_->tensor_index_.emplace(tensor.name, file_->tensors_.size());
  if (!is_new) {
    fail(ErrorCode::invalid_file, "{}: tensor {} is there twice; the file is damaged", where,
         quote(tensor.name));
  }
  // Safetensors headers of any length are legal, so values can lie at odd addresses;
  // nobody behind this view should have to care.
  const size_t alignment = tensor.type == StorageType::f32 ? 4 : 2;
  if (reinterpret_cast<uintptr_t>(tensor.data.data()) % alignment != 0) {
    file_->aligned_copies_.emplace_back(tensor.data.begin(), tensor.data.end());
    tensor.data = file_->aligned_copies_.back();
  }
  file_->tensors_.push_back(std::move(tensor));
}

void ModelFileBuilder::add_owned_tensor(TensorView tensor, std::vector<std::byte> values,
                                        const std::string& where) {
  file_->aligned_copies_.push_back(std::move(values));
  tensor.data = file_->aligned_copies_.back();  // its memory stays where the vector moves
  add_tensor(std::move(tensor), where);
}

}  // namespace lazyllm::formats
