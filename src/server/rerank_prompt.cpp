// SPDX-License-Identifier: Apache-2.0
#include "server/rerank_prompt.h"

#include <fmt/format.h>

namespace lazyllm::server {
namespace {

/// Builds the tokens piece by piece, so that it is known where each text lies.
class Pieces {
 public:
  Pieces(const Model& model, std::vector<TokenId>& tokens) : model_(model), tokens_(tokens) {}

  TokenRange add(const std::string& text) {
    const auto begin = static_cast<int64_t>(tokens_.size());
    const std::vector<TokenId> more = model_.tokenize(text, /*add_special=*/tokens_.empty(),
                                                      /*parse_special=*/false);
    tokens_.insert(tokens_.end(), more.begin(), more.end());
    return {begin, static_cast<int64_t>(tokens_.size())};
  }

 private:
  const Model& model_;
  std::vector<TokenId>& tokens_;
};

}  // namespace

RerankPrompt::RerankPrompt(const Model& model, const std::string& query,
                           std::span<const std::string> documents) {
  Pieces pieces(model, tokens);
  pieces.add("Here are some paragraphs:\n");
  for (size_t i = 0; i < documents.size(); ++i) {
    pieces.add(fmt::format("\n[{}]", i + 1));
    // With the line's end no document is without tokens.
    question.parts.push_back(pieces.add(" " + documents[i] + "\n"));
  }
  pieces.add(
      "\nPlease find information that is relevant to the following query in the paragraphs "
      "above.\n\nQuery:");
  question.queries.push_back(pieces.add(" N/A\n"));
  pieces.add("\nQuery:");
  question.queries.push_back(pieces.add(" " + query + "\n"));
}

std::vector<float> RerankPrompt::scores(std::span<const float> mass, size_t documents) {
  std::vector<float> scores(documents);
  for (size_t i = 0; i < documents; ++i) scores[i] = mass[documents + i] - mass[i];
  return scores;
}

}  // namespace lazyllm::server
