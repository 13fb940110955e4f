// SPDX-License-Identifier: Apache-2.0
#include "server/rerank_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "server/completion_endpoints.h"
#include "server/prompt_reading.h"
#include "server/prompt_request.h"
#include "server/rerank_prompt.h"

namespace lazyllm::server {
namespace {

constexpr size_t kMostRanked = 2048;
constexpr int64_t kMostQueryTokens = 2048;

/// Texts, or objects with one.
std::vector<std::string> parse_documents(const Fields& body, const char* name) {
  body.require(name);
  const Json& list = *body.array(name);
  if (list.empty() || list.size() > kMostRanked) {
    throw invalid_request(name, fmt::format("{} must hold 1 to {} texts, there are {}", name,
                                            kMostRanked, list.size()));
  }
  std::vector<std::string> documents;
  for (const Json& one : list) {
    const std::string path = fmt::format("{}[{}]", name, documents.size());
    documents.push_back(one.is_object() ? to_text(Fields(one, path).require("text"), path + ".text")
                                        : to_text(one, path));
  }
  return documents;
}

RerankPrompt make_prompt(const ModelService& service, const std::string& query,
                         std::span<const std::string> documents, const char* name) {
  RerankPrompt prompt(*service.model, query, documents);
  const TokenRange asked = prompt.question.queries.back();
  if (asked.end - asked.begin > kMostQueryTokens) {
    throw invalid_request("query",
                          fmt::format("the query has {} tokens; it may have {}",
                                      asked.end - asked.begin, kMostQueryTokens),
                          "query_too_long");
  }
  check_prompt(service, prompt.tokens, name);
  prompt.question.heads = service.rerank_heads;
  return prompt;
}

/// Places of the documents, the best first; of equals the first first.
std::vector<size_t> best_first(std::span<const float> scores, size_t most) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return scores[a] > scores[b]; });
  order.resize(std::min(order.size(), most));
  return order;
}

void answer_rerank(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  check_model_name(body, service.name, service.strict_model);
  check_names(exchange, body, RequestKind::rerank);
  const std::string query = to_text(body.require("query"), "query");
  const bool plain = body.find("texts") != nullptr;  // text-embeddings-inference
  if (plain && body.find("documents") != nullptr) {
    throw invalid_request("texts", "documents and texts are two names of one thing; give one");
  }
  const char* const name = plain ? "texts" : "documents";
  const std::vector<std::string> documents = parse_documents(body, name);
  const auto most = static_cast<size_t>(
      body.integer("top_n", 0, INT32_MAX).value_or(static_cast<int64_t>(documents.size())));
  const bool tells_text = body.boolean(plain ? "return_text" : "return_documents").value_or(false);
  const RerankPrompt prompt = make_prompt(service, query, documents, name);
  const std::vector<float> mass = attention_of(*service.scheduler, prompt.tokens, prompt.question,
                                               [&] { return exchange.peer.gone(); })
                                      .front()
                                      .mass;
  const std::vector<float> scores = RerankPrompt::scores(mass, documents.size());

  Json results = Json::array();
  for (const size_t i : best_first(scores, most)) {
    Json one = {{"index", i}, {plain ? "score" : "relevance_score", scores[i]}};
    if (tells_text && plain) one["text"] = documents[i];
    if (tells_text && !plain) one["document"] = {{"text", documents[i]}};
    results.push_back(std::move(one));
  }
  if (plain) return respond(exchange, results);
  const auto tokens = prompt.tokens.size();
  respond(exchange, {{"model", service.name},
                     {"object", "list"},
                     {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}},
                     {"results", std::move(results)}});
}

}  // namespace

std::span<const Endpoint> rerank_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/v1/rerank", answer_rerank},
      {"POST", "/rerank", answer_rerank},
      {"POST", "/reranking", answer_rerank},
      {"POST", "/v1/reranking", answer_rerank},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
