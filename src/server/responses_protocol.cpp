// SPDX-License-Identifier: Apache-2.0
#include "server/responses_protocol.h"

#include <array>

#include "server/answer_figures.h"
#include "server/completion_endpoints.h"
#include "server/responses_writer.h"

namespace lazyllm::server {
namespace {

/// Log-probabilities are not made here; what else "include" may name is not there to be included.
void refuse_logprobs(const Fields& body) {
  const auto refuse = [](const char* name) {
    throw invalid_request(name,
                          std::string(name) +
                              " asks for log-probabilities, which are not given "
                              "here; use /v1/chat/completions",
                          "unsupported_parameter");
  };
  if (body.integer("top_logprobs", 0, 20).value_or(0) > 0) refuse("top_logprobs");
  const Json* include = body.array("include");
  if (include == nullptr) return;
  for (const Json& one : *include) {
    if (one == "message.output_text.logprobs") refuse("include");
  }
}

void create_response(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  refuse_logprobs(body);
  Json before = Json::array();
  if (const auto previous = body.text("previous_response_id"))
    before = service.responses->get(*previous, "previous_response_id").messages;
  Json chat = chat_of_responses(body, before);
  Json conversation = chat["messages"];
  // The instructions hold for this answer only.
  if (!body.text("instructions").value_or("").empty()) conversation.erase(0);
  AnswerJob job = chat_job(service, exchange, chat);
  if (job.request.choices != 1) throw invalid_request("n", "n must be 1 at this path");
  job.writer = std::make_unique<ResponsesWriter>(body, std::move(conversation));
  answer(service, exchange, std::move(job));
}

void count_input_tokens(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  Json before = Json::array();
  if (const auto previous = body.text("previous_response_id"))
    before = service.responses->get(*previous, "previous_response_id").messages;
  const int64_t tokens = count_tokens_of_chat(service, chat_of_responses(body, before));
  respond(exchange, {{"object", "response.input_tokens"}, {"input_tokens", tokens}});
}

/// "ID", or "ID/input_items".
void show_response(ModelService& service, Exchange& exchange) {
  constexpr std::string_view kItems = "/input_items";
  std::string id = exchange.path_rest;
  const bool items = id.ends_with(kItems);
  if (items) id.resize(id.size() - kItems.size());
  const ResponsesStore::Stored stored = service.responses->get(id, "response_id");
  if (!items) return respond(exchange, stored.response);
  respond(exchange, {{"object", "list"}, {"data", stored.input}, {"has_more", false}});
}

void delete_response(ModelService& service, Exchange& exchange) {
  const std::string& id = exchange.path_rest;
  if (!service.responses->erase(id)) service.responses->get(id, "response_id");  // says so
  respond(exchange, {{"id", id}, {"object", "response.deleted"}, {"deleted", true}});
}

}  // namespace

std::span<const Endpoint> responses_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/v1/responses", create_response},
      {"POST", "/responses", create_response},
      {"POST", "/v1/responses/input_tokens", count_input_tokens},
      {"GET", "/v1/responses/{response_id}", show_response},
      {"DELETE", "/v1/responses/{response_id}", delete_response},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
