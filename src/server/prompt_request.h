// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <vector>

#include "server/answer_record.h"

namespace lazyllm::server {

/// The field `name`, such as "prompt": a text, a list of token ids and texts, {"prompt_string":
/// text}, or a list of up to `most` of these (a list of texts alone is one of several prompts).
/// Errors: RequestError 400.
std::vector<Prompt> parse_prompts(const ModelService& service, const Fields& body,
                                  const char* name = "prompt", size_t most = 64);

/// Errors: RequestError 400 if there is nothing in it or it does not fit into the context.
void check_prompt(const ModelService& service, std::span<const TokenId> tokens,
                  const char* name = "prompt");

}  // namespace lazyllm::server
