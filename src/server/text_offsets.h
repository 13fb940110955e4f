// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "lazyllm/model.h"

namespace lazyllm::server {

/// Where the tokens of a returned text begin in it, in code points. A token that shows no text
/// begins where the next one does; one that begins within a character begins where that does.
class TextOffsets {
 public:
  /// `begin`: how the returned text begins, as far as it is known: some vocabularies drop the space
  /// before the first word.
  TextOffsets(const Model& model, std::string_view begin) : model_(&model), begin_(begin) {}

  /// Offset of the next token, which is this one.
  size_t take(TokenId token);

 private:
  const Model* model_;
  std::string_view begin_;
  size_t code_points_ = 0;  ///< complete ones
  int missing_bytes_ = 0;   ///< of the character that is begun
  bool first_ = true;       ///< nothing was shown yet
};

}  // namespace lazyllm::server
