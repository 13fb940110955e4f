// SPDX-License-Identifier: Apache-2.0
#include "engine/prompt_check.h"

#include "base/error.h"

namespace lazyllm::engine {

void check_prompt(std::span<const TokenId> tokens, int64_t context,
                  const model::Hyperparameters& hyperparameters) {
  if (tokens.empty()) fail(ErrorCode::invalid_input, "the prompt is empty; write some text");
  const int64_t vocabulary = hyperparameters.vocabulary_size;
  for (const TokenId token : tokens) {
    if (token < 0 || token >= vocabulary) {
      fail(ErrorCode::invalid_input, "token id {} is out of range; the model has ids 0 to {}",
           token, vocabulary - 1);
    }
  }
  if (std::ssize(tokens) > context) {
    const int64_t trained = hyperparameters.context_length;
    fail(ErrorCode::context_full,
         "the prompt has {} tokens but the context holds {}; shorten the prompt{}", tokens.size(),
         context, context < trained ? fmt::format(" or raise --ctx-size (up to {})", trained) : "");
  }
}

}  // namespace lazyllm::engine
