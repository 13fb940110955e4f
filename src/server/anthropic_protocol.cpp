// SPDX-License-Identifier: Apache-2.0
#include "server/anthropic_protocol.h"

#include <fmt/format.h>

#include <array>

#include "server/answer_figures.h"
#include "server/completion_endpoints.h"
#include "server/stop_word.h"

namespace lazyllm::server {
namespace {

Json usage_json(const TokenUsage& usage) {
  return {{"input_tokens", usage.prompt - usage.cached},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.cached},
          {"output_tokens", usage.generated}};
}

/// Arguments that were cut are no object any more; they stay what they are, as text.
Json input_of(const ToolCall& call) {
  Json input = Json::parse(call.arguments, nullptr, /*allow_exceptions=*/false);
  return input.is_discarded() ? Json(call.arguments) : input;
}

class MessagesWriter : public AnswerWriter {
 public:
  Json whole(const AnswerRecord& record) override;
  std::string begin(const AnswerRecord& record) override;
  std::string progress(const AnswerRecord& record, const ChoiceRecord& choice,
                       const PromptProgress& progress) override;
  std::string delta(const AnswerRecord& record, const ChoiceRecord& choice,
                    const Delta& delta) override;
  std::string end(const AnswerRecord& record) override;
  std::string keep_alive() const override { return named_event_text({{"type", "ping"}}); }
  std::string error(const RequestError& error) const override {
    return "event: error\ndata: " + anthropic_error(error) + "\n\n";
  }

 private:
  Json message(const AnswerRecord& record) const;
  std::string start_block(const Json& block);
  std::string add_to_block(const Json& delta) const;
  std::string stop_block();

  enum class Open { none, thinking, text, call };
  std::string write(Open kind, const Json& block, const Json& delta);

  int block_ = -1;          ///< the last that was started
  Open open_ = Open::none;  ///< what the last one is, while it goes on
};

const char* stop_reason(const ChoiceRecord& choice, bool by_word) {
  if (choice.choice.finish_reason == "tool_calls") return "tool_use";
  if (choice.choice.finish_reason == "length") return "max_tokens";
  return by_word ? "stop_sequence" : "end_turn";
}

Json ending(const AnswerRecord& record) {
  const ChoiceRecord& choice = record.choices.front();
  const auto word = stop_word(record, choice);
  return {{"stop_reason", stop_reason(choice, word.has_value())},
          {"stop_sequence", word ? Json(*word) : Json()}};
}

Json MessagesWriter::message(const AnswerRecord& record) const {
  return {{"id", "msg_" + record.id},     {"type", "message"},        {"role", "assistant"},
          {"model", record.service.name}, {"content", Json::array()}, {"stop_reason", nullptr},
          {"stop_sequence", nullptr}};
}

Json MessagesWriter::whole(const AnswerRecord& record) {
  const Choice& choice = record.choices.front().choice;
  Json json = message(record);
  if (!choice.reasoning.empty()) {
    json["content"].push_back(
        {{"type", "thinking"}, {"thinking", choice.reasoning}, {"signature", ""}});
  }
  if (!choice.text.empty() || choice.calls.empty())
    json["content"].push_back({{"type", "text"}, {"text", choice.text}});
  for (const ToolCall& call : choice.calls) {
    json["content"].push_back(
        {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", input_of(call)}});
  }
  json.update(ending(record));
  json["usage"] = usage_json(record.usage());
  add_lazy(json, record);
  return json;
}

std::string MessagesWriter::begin(const AnswerRecord& record) {
  Json json = message(record);
  // What comes from the cache is known at the end only.
  TokenUsage usage;
  usage.prompt = static_cast<int64_t>(record.prompts.front().tokens.size());
  json["usage"] = usage_json(usage);
  return named_event_text({{"type", "message_start"}, {"message", std::move(json)}});
}

std::string MessagesWriter::progress(const AnswerRecord&, const ChoiceRecord&,
                                     const PromptProgress& progress) {
  return named_event_text({{"type", "ping"}, {"prompt_progress", progress_json(progress)}});
}

std::string MessagesWriter::start_block(const Json& block) {
  ++block_;
  return named_event_text(
      {{"type", "content_block_start"}, {"index", block_}, {"content_block", block}});
}

std::string MessagesWriter::add_to_block(const Json& delta) const {
  return named_event_text({{"type", "content_block_delta"}, {"index", block_}, {"delta", delta}});
}

std::string MessagesWriter::stop_block() {
  if (open_ == Open::none) return {};
  open_ = Open::none;
  return named_event_text({{"type", "content_block_stop"}, {"index", block_}});
}

/// Into the open block if it is of that kind, into a new one otherwise.
std::string MessagesWriter::write(Open kind, const Json& block, const Json& delta) {
  std::string text;
  if (open_ != kind) {
    text = stop_block();
    text += start_block(block);
    open_ = kind;
  }
  return text + add_to_block(delta);
}

std::string MessagesWriter::delta(const AnswerRecord&, const ChoiceRecord&, const Delta& delta) {
  std::string text;
  if (!delta.reasoning.empty()) {
    text += write(Open::thinking, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}},
                  {{"type", "thinking_delta"}, {"thinking", delta.reasoning}});
  }
  if (!delta.text.empty()) {
    text += write(Open::text, {{"type", "text"}, {"text", ""}},
                  {{"type", "text_delta"}, {"text", delta.text}});
  }
  for (const CallPiece& piece : delta.calls) {
    if (piece.begins) text += stop_block();
    const Json block = {
        {"type", "tool_use"}, {"id", piece.id}, {"name", piece.name}, {"input", Json::object()}};
    if (piece.begins || !piece.arguments.empty()) {
      text += write(Open::call, block,
                    {{"type", "input_json_delta"}, {"partial_json", piece.arguments}});
    }
    if (piece.ends) text += stop_block();
  }
  if (!delta.finish_reason) return text;
  if (block_ < 0) {
    text += start_block({{"type", "text"}, {"text", ""}});
    open_ = Open::text;
  }
  text += stop_block();
  return text;
}

std::string MessagesWriter::end(const AnswerRecord& record) {
  Json json = {
      {"type", "message_delta"}, {"delta", ending(record)}, {"usage", usage_json(record.usage())}};
  add_lazy(json, record);
  return named_event_text(json) + named_event_text({{"type", "message_stop"}});
}

void answer_messages(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  body.require("max_tokens");
  AnswerJob job = chat_job(service, exchange, chat_of_messages(body));
  if (job.request.choices != 1) throw invalid_request("n", "n must be 1 at this path");
  job.writer = std::make_unique<MessagesWriter>();
  exchange.response.set_header("request-id", exchange.id);
  answer(service, exchange, std::move(job));
}

void count_message_tokens(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const int64_t tokens = count_tokens_of_chat(service, chat_of_messages(Fields(json)));
  respond(exchange, {{"input_tokens", tokens}});
}

const char* error_type(int status) {
  switch (status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 503:
      return "overloaded_error";
    default:
      return status < 500 ? "invalid_request_error" : "api_error";
  }
}

}  // namespace

std::string anthropic_error(const RequestError& error) {
  std::string message = error.what();
  if (error.numbers()) {  // agents know these words and shorten their history
    message = fmt::format("prompt is too long: {} tokens > {} maximum",
                          error.numbers()->prompt_tokens, error.numbers()->context);
  } else if (!error.param().empty() && message.find(error.param()) == std::string::npos) {
    message = error.param() + ": " + message;
  }
  return dump(
      {{"type", "error"}, {"error", {{"type", error_type(error.status())}, {"message", message}}}});
}

std::span<const Endpoint> anthropic_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/v1/messages", answer_messages, anthropic_error},
      {"POST", "/v1/messages/count_tokens", count_message_tokens, anthropic_error},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
