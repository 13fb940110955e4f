// SPDX-License-Identifier: Apache-2.0
#include "server/responses_writer.h"

#include "server/answer_figures.h"
#include "server/responses_protocol.h"
#include "server/responses_store.h"

namespace lazyllm::server {
namespace {

Json text_part(const std::string& text) {
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

Json reasoning_part(const std::string& text) {
  return {{"type", "reasoning_text"}, {"text", text}};
}

Json usage_json(const TokenUsage& usage) {
  return {{"input_tokens", usage.prompt},
          {"input_tokens_details", {{"cached_tokens", usage.cached}}},
          {"output_tokens", usage.generated},
          {"output_tokens_details", {{"reasoning_tokens", 0}}},
          {"total_tokens", usage.prompt + usage.generated}};
}

bool was_cut(const AnswerRecord& record) {
  return record.choices.front().end->reason == FinishReason::length;
}

}  // namespace

ResponsesWriter::ResponsesWriter(const Fields& body, Json conversation)
    : conversation_(std::move(conversation)),
      input_(input_items(body)),
      store_(body.boolean("store").value_or(true)) {
  const auto field = [&](const char* name, Json otherwise) {
    const Json* given = body.find(name);
    echo_[name] = given == nullptr ? std::move(otherwise) : *given;
  };
  field("instructions", nullptr);
  field("max_output_tokens", nullptr);
  field("metadata", Json::object());
  field("parallel_tool_calls", true);
  field("previous_response_id", nullptr);
  field("reasoning", {{"effort", nullptr}, {"summary", nullptr}});
  field("temperature", nullptr);
  field("text", {{"format", {{"type", "text"}}}});
  field("tool_choice", "auto");
  field("tools", Json::array());
  field("top_p", nullptr);
  field("truncation", "disabled");
  field("user", nullptr);
  echo_["store"] = store_;
  echo_["background"] = false;
}

Json ResponsesWriter::response(const AnswerRecord& record, const char* status) const {
  const SamplingOptions& sampling = record.request.answer.generation.sampling;
  Json json = {{"id", "resp_" + record.id},
               {"object", "response"},
               {"created_at", static_cast<int64_t>(record.created)},
               {"status", status},
               {"error", nullptr},
               {"incomplete_details", nullptr},
               {"model", record.service.name},
               {"output", Json::array()}};
  json.update(echo_);
  if (json["temperature"].is_null()) json["temperature"] = sampling.temperature;
  if (json["top_p"].is_null()) json["top_p"] = sampling.top_p;
  json["usage"] = nullptr;
  return json;
}

Json ResponsesWriter::message_item(const AnswerRecord& record, const char* status) const {
  return {{"id", "msg_" + record.id},
          {"type", "message"},
          {"status", status},
          {"role", "assistant"},
          {"content", Json::array()}};
}

Json ResponsesWriter::reasoning_item(const AnswerRecord& record, const std::string& thought) const {
  Json item = {{"id", "rs_" + record.id}, {"type", "reasoning"}, {"summary", Json::array()}};
  item["content"] = Json::array();
  if (!thought.empty()) item["content"].push_back(reasoning_part(thought));
  return item;
}

Json ResponsesWriter::call_item(const AnswerRecord& record, const ToolCall& call, size_t index,
                                const char* status) const {
  return {{"id", "fc_" + record.id + "_" + std::to_string(index)},
          {"type", "function_call"},
          {"status", status},
          {"call_id", call.id},
          {"name", call.name},
          {"arguments", call.arguments}};
}

Json ResponsesWriter::finished(const AnswerRecord& record) {
  const Choice& choice = record.choices.front().choice;
  const bool cut = was_cut(record);
  Json json = response(record, cut ? "incomplete" : "completed");
  if (cut) json["incomplete_details"] = {{"reason", "max_output_tokens"}};
  if (!choice.reasoning.empty()) json["output"].push_back(reasoning_item(record, choice.reasoning));
  if (!choice.text.empty() || choice.calls.empty()) {
    Json item = message_item(record, cut ? "incomplete" : "completed");
    item["content"].push_back(text_part(choice.text));
    json["output"].push_back(std::move(item));
  }
  for (size_t i = 0; i < choice.calls.size(); ++i)
    json["output"].push_back(call_item(record, choice.calls[i], i, "completed"));
  json["usage"] = usage_json(record.usage());
  if (store_) keep(record, json);
  return json;
}

void ResponsesWriter::keep(const AnswerRecord& record, const Json& response) {
  const Choice& choice = record.choices.front().choice;
  Json turn = {{"role", "assistant"}, {"content", choice.text}};
  if (!choice.reasoning.empty()) turn["reasoning_content"] = choice.reasoning;
  for (const ToolCall& call : choice.calls) {
    turn["tool_calls"].push_back(
        {{"id", call.id},
         {"type", "function"},
         {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  Json messages = conversation_;
  messages.push_back(std::move(turn));
  record.service.responses->put(response["id"], {response, std::move(messages), input_});
}

Json ResponsesWriter::whole(const AnswerRecord& record) {
  Json json = finished(record);
  add_figures(json, record);
  return json;
}

/// Numbers are given in the order of the calls.
std::string ResponsesWriter::event(Json json) {
  json["sequence_number"] = number_++;
  return named_event_text(json);
}

std::string ResponsesWriter::begin(const AnswerRecord& record) {
  const Json json = response(record, "in_progress");
  std::string text = event({{"type", "response.created"}, {"response", json}});
  text += event({{"type", "response.in_progress"}, {"response", json}});
  return text;
}

std::string ResponsesWriter::progress(const AnswerRecord& record, const ChoiceRecord&,
                                      const PromptProgress& progress) {
  return event({{"type", "response.in_progress"},
                {"response", response(record, "in_progress")},
                {"prompt_progress", progress_json(progress)}});
}

std::string ResponsesWriter::added(const Json& item) {
  ++item_;
  return event({{"type", "response.output_item.added"}, {"output_index", item_}, {"item", item}});
}

std::string ResponsesWriter::done(const Json& item) {
  open_ = Open::none;
  return event({{"type", "response.output_item.done"}, {"output_index", item_}, {"item", item}});
}

/// An event about the open item, whose parts are its only one.
std::string ResponsesWriter::about(const char* type, const std::string& id, Json more) {
  Json json = {{"type", type}, {"item_id", id}, {"output_index", item_}};
  if (open_ != Open::call) json["content_index"] = 0;
  json.update(more);
  return event(std::move(json));
}

std::string ResponsesWriter::open(const AnswerRecord& record, Open kind) {
  if (open_ == kind) return {};
  std::string text = close(record);
  const bool message = kind == Open::message;
  const Json item = message ? message_item(record, "in_progress") : reasoning_item(record, "");
  text += added(item);
  open_ = kind;
  text += about("response.content_part.added", item["id"],
                {{"part", message ? text_part("") : reasoning_part("")}});
  return text;
}

/// Ends the open item, if it is no call: those say themselves when they end.
std::string ResponsesWriter::close(const AnswerRecord& record) {
  if (open_ != Open::message && open_ != Open::reasoning) return {};
  const bool message = open_ == Open::message;
  const bool cut = record.complete() && was_cut(record);
  Json item = message ? message_item(record, cut ? "incomplete" : "completed")
                      : reasoning_item(record, text_);
  if (message) item["content"].push_back(text_part(text_));
  Json said = {{"text", text_}};
  if (message) said["logprobs"] = Json::array();
  std::string text = about(message ? "response.output_text.done" : "response.reasoning_text.done",
                           item["id"], said);
  text += about("response.content_part.done", item["id"], {{"part", item["content"][0]}});
  text += done(item);
  text_.clear();
  return text;
}

std::string ResponsesWriter::call_piece(const AnswerRecord& record, const Choice& choice,
                                        const CallPiece& piece) {
  std::string text;
  const Json item = call_item(record, choice.calls.at(piece.index), piece.index, "completed");
  if (piece.begins) {
    text += close(record);
    Json begun = item;
    begun["status"] = "in_progress";
    begun["arguments"] = "";
    text += added(begun);
    open_ = Open::call;
  }
  if (!piece.arguments.empty()) {
    text +=
        about("response.function_call_arguments.delta", item["id"], {{"delta", piece.arguments}});
  }
  if (piece.ends) {
    text += about("response.function_call_arguments.done", item["id"],
                  {{"name", item["name"]}, {"arguments", item["arguments"]}});
    text += done(item);
  }
  return text;
}

std::string ResponsesWriter::delta(const AnswerRecord& record, const ChoiceRecord& choice,
                                   const Delta& delta) {
  std::string text;
  if (!delta.reasoning.empty()) {
    text += open(record, Open::reasoning);
    text_ += delta.reasoning;
    text += about("response.reasoning_text.delta", "rs_" + record.id, {{"delta", delta.reasoning}});
  }
  if (!delta.text.empty()) {
    text += open(record, Open::message);
    text_ += delta.text;
    Json more = {{"delta", delta.text}, {"logprobs", Json::array()}};
    if (record.request.timings_per_token) more["timings"] = timings_json(record, choice);
    text += about("response.output_text.delta", "msg_" + record.id, std::move(more));
  }
  for (const CallPiece& piece : delta.calls) text += call_piece(record, choice.choice, piece);
  if (delta.finish_reason) {
    const Choice& written = choice.choice;
    if (written.text.empty() && written.calls.empty()) text += open(record, Open::message);
    text += close(record);
  }
  return text;
}

std::string ResponsesWriter::end(const AnswerRecord& record) {
  Json response = finished(record);
  const char* type = was_cut(record) ? "response.incomplete" : "response.completed";
  Json json = {{"type", type}, {"response", std::move(response)}};
  add_figures(json, record);
  return event(std::move(json));
}

std::string ResponsesWriter::error(const RequestError& error) const {
  return named_event_text({{"type", "error"},
                           {"code", error.code()},
                           {"message", error.what()},
                           {"param", error.param().empty() ? Json() : Json(error.param())},
                           {"sequence_number", number_}});
}

}  // namespace lazyllm::server
