// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/endpoint.h"
#include "server/prompt_request.h"

namespace lazyllm::server {

/// POST /infill: the text between `input_prefix` and `input_suffix`, in llama-server's form.
void answer_infill(ModelService& service, Exchange& exchange);

/// The prompt for the text between both; `before` goes ahead of all. Errors: RequestError 501 for a
/// model without the tokens for it.
std::vector<TokenId> prompt_between(const ModelService& service, const std::vector<TokenId>& before,
                                    const std::string& prefix, const std::string& suffix);

}  // namespace lazyllm::server
