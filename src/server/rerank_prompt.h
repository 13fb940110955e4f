// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "lazyllm/model.h"
#include "lazyllm/scheduler.h"

namespace lazyllm::server {

/// One prompt that holds all documents and then asks for a query, so that what the query's tokens
/// look at says which documents matter (QRHead, arXiv 2506.09944). Before the query stands one
/// without content: what that one looks at, it would look at whatever is asked.
struct RerankPrompt {
  std::vector<TokenId> tokens;
  AttentionQuestion question;  ///< parts: the documents; queries: the empty one, the real one

  /// Documents and the query are text, whatever they hold: none of it becomes a special token.
  RerankPrompt(const Model& model, const std::string& query,
               std::span<const std::string> documents);

  /// One score a document, from the attention on [queries][parts]; higher is better, and 0 is what
  /// no query at all would give.
  static std::vector<float> scores(std::span<const float> mass, size_t documents);
};

}  // namespace lazyllm::server
