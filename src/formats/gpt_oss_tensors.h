// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>

#include "formats/model_file_builder.h"
#include "formats/safetensors.h"

namespace lazyllm::formats {

/// The experts of a Hugging Face gpt-oss folder, which lie otherwise than GGUF's: rows of gate and
/// up in turns, MXFP4 as blocks and scales in tensors of their own, floats transposed. They are
/// given GGUF's form row by row, when they are wanted.
class GptOssTensors {
 public:
  /// True if the tensor is a part of the experts; it is kept until finish().
  /// `entry.data` must stay.
  bool take(const SafetensorsEntry& entry, int64_t layers, const std::string& where);
  /// Errors: Error(invalid_file) naming a part that is missing or does not fit the others.
  void finish(ModelFileBuilder& builder, const std::string& where);

 private:
  struct Piece {
    SafetensorsEntry entry;
    std::string where;
  };
  using Pieces = std::map<std::string, Piece, std::less<>>;  ///< by the name behind "experts."

  void add_bias(ModelFileBuilder& builder, const Pieces& pieces, int64_t layer, const char* theirs);
  void add_matrix(ModelFileBuilder& builder, const Pieces& pieces, int64_t layer,
                  const char* theirs);

  std::map<int64_t, Pieces> layers_;
};

}  // namespace lazyllm::formats
