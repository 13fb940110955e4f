// SPDX-License-Identifier: Apache-2.0
#include "server/ollama_protocol.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <chrono>

#include "lazyllm/version.h"
#include "server/completion_endpoints.h"
#include "server/prompt_request.h"
#include "server/statistics_json.h"

namespace lazyllm::server {
namespace {

std::string rfc3339(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto microseconds = duration_cast<std::chrono::microseconds>(time.time_since_epoch());
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z", fmt::gmtime(system_clock::to_time_t(time)),
                     microseconds.count() % 1'000'000);
}

int64_t nanoseconds(double milliseconds) {
  return static_cast<int64_t>(milliseconds * 1e6);
}

/// Lines of JSON, each of which says something new; the last one has the figures.
class OllamaWriter : public AnswerWriter {
 public:
  explicit OllamaWriter(bool chat) : chat_(chat) {}

  Json whole(const AnswerRecord& record) override {
    const Choice& choice = record.choices.front().choice;
    return last(record, choice.reasoning, choice.text, choice.calls);
  }
  const char* stream_type() const override { return "application/x-ndjson"; }
  std::string delta(const AnswerRecord& record, const ChoiceRecord& choice,
                    const Delta& delta) override {
    std::vector<ToolCall> calls;  // whole ones only
    for (const CallPiece& piece : delta.calls) {
      if (piece.ends) calls.push_back(choice.choice.calls.at(piece.index));
    }
    if (delta.reasoning.empty() && delta.text.empty() && calls.empty()) return {};
    Json json = said(record, delta.reasoning, delta.text, calls);
    json["done"] = false;
    return dump(json) + "\n";
  }
  std::string end(const AnswerRecord& record) override {
    return dump(last(record, "", "", {})) + "\n";
  }
  /// White space may stand before the next line's JSON; an empty line may not.
  std::string keep_alive() const override { return " "; }
  std::string error(const RequestError& error) const override { return ollama_error(error) + "\n"; }

 private:
  Json said(const AnswerRecord& record, const std::string& thinking, const std::string& text,
            const std::vector<ToolCall>& calls) const;
  Json last(const AnswerRecord& record, const std::string& thinking, const std::string& text,
            const std::vector<ToolCall>& calls) const;

  bool chat_;
};

Json OllamaWriter::said(const AnswerRecord& record, const std::string& thinking,
                        const std::string& text, const std::vector<ToolCall>& calls) const {
  Json json = {{"model", record.service.name},
               {"created_at", rfc3339(std::chrono::system_clock::now())}};
  if (!chat_) {
    json["response"] = text;
    if (!thinking.empty()) json["thinking"] = thinking;
    return json;
  }
  json["message"] = {{"role", "assistant"}, {"content", text}};
  if (!thinking.empty()) json["message"]["thinking"] = thinking;
  for (const ToolCall& call : calls) {
    const Json arguments = Json::parse(call.arguments, nullptr, /*allow_exceptions=*/false);
    json["message"]["tool_calls"].push_back(
        {{"id", call.id},
         {"function",
          {{"name", call.name},
           {"arguments", arguments.is_discarded() ? Json(call.arguments) : arguments}}}});
  }
  return json;
}

Json OllamaWriter::last(const AnswerRecord& record, const std::string& thinking,
                        const std::string& text, const std::vector<ToolCall>& calls) const {
  const AnswerEnd& end = *record.choices.front().end;
  const Statistics& s = end.statistics;
  Json json = said(record, thinking, text, calls);
  json.update({{"done", true},
               {"done_reason", end.reason == FinishReason::length ? "length" : "stop"},
               {"total_duration", nanoseconds(s.total_ms)},
               {"load_duration", 0},
               {"prompt_eval_count", s.prompt_tokens},
               {"prompt_eval_duration", nanoseconds(work_ttft_ms(end))},
               {"eval_count", s.generated_tokens},
               {"eval_duration", nanoseconds(s.total_ms - s.ttft_ms)},
               {"lazy", lazy_json(end, record.service.info, *record.service.cost)}});
  return json;
}

/// A request without words asks that the model be there, which it is.
void answer_loaded(const ModelService& service, Exchange& exchange, const Fields& body, bool chat) {
  const Json* keep = body.find("keep_alive");
  const bool unload = keep != nullptr && (*keep == 0 || *keep == "0");
  Json json = {{"model", service.name},
               {"created_at", rfc3339(std::chrono::system_clock::now())},
               {"done", true},
               {"done_reason", unload ? "unload" : "load"}};
  if (chat) json["message"] = {{"role", "assistant"}, {"content", ""}};
  if (!chat) json["response"] = "";
  respond(exchange, json);
}

void answer_with(ModelService& service, Exchange& exchange, AnswerJob job, bool chat) {
  if (job.request.choices != 1) throw invalid_request("n", "n must be 1 at this path");
  job.writer = std::make_unique<OllamaWriter>(chat);
  answer(service, exchange, std::move(job));
}

void answer_ollama_chat(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  const Json* messages = body.array("messages");
  if (messages == nullptr || messages->empty())
    return answer_loaded(service, exchange, body, /*chat=*/true);
  answer_with(service, exchange, chat_job(service, exchange, chat_of_ollama(body)), /*chat=*/true);
}

void answer_generate(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  if (body.text("prompt").value_or("").empty())
    return answer_loaded(service, exchange, body, /*chat=*/false);
  const bool raw = body.boolean("raw").value_or(false) || !service.info.has_chat_template;
  AnswerJob job = raw ? text_job(service, exchange, text_of_ollama(body))
                      : chat_job(service, exchange, chat_of_ollama(body));
  answer_with(service, exchange, std::move(job), /*chat=*/false);
}

Json details(const ModelService& service) {
  const ModelInfo& info = service.info;
  std::string most_used;
  int count = 0;
  for (const auto& [type, tensors] : info.tensor_types) {
    if (type != "F32" && tensors > count) {
      most_used = type;
      count = tensors;
    }
  }
  return {{"parent_model", ""},
          {"format", info.container == "GGUF" ? "gguf" : "safetensors"},
          {"family", info.architecture},
          {"families", {info.architecture}},
          {"parameter_size", fmt::format("{:.2f}M", static_cast<double>(info.parameters) / 1e6)},
          {"quantization_level", most_used.empty() ? "F32" : most_used}};
}

void list_tags(ModelService& service, Exchange& exchange) {
  respond(exchange, {{"models", {ollama_listed(service)}}});
}

void list_loaded(ModelService& service, Exchange& exchange) {
  respond(exchange, {{"models", {ollama_loaded(service)}}});
}

void show_tag(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  check_model_name(Fields(json), service.name, service.strict_model);
  const ModelInfo& info = service.info;
  Json capabilities = {"completion"};
  if (info.chat_template_has_tools) capabilities.push_back("tools");
  const auto key = [&](const char* name) { return info.architecture + "." + name; };
  respond(exchange,
          {{"modelfile", ""},
           {"parameters", ""},
           {"template", service.model->chat_template()},
           {"details", details(service)},
           {"model_info",
            {{"general.architecture", info.architecture},
             {"general.basename", info.name},
             {"general.parameter_count", info.parameters},
             {key("context_length"), info.context_length},
             {key("embedding_length"), info.hidden_size},
             {key("block_count"), info.layers},
             {key("feed_forward_length"), info.intermediate_size},
             {key("attention.head_count"), info.heads},
             {key("attention.head_count_kv"), info.kv_heads}}},
           {"capabilities", std::move(capabilities)},
           {"modified_at", rfc3339(std::chrono::system_clock::from_time_t(service.created))}});
}

void show_version(ModelService&, Exchange& exchange) {
  respond(exchange, {{"version", version()}});
}

}  // namespace

Json ollama_listed(const ModelService& service) {
  const auto loaded = std::chrono::system_clock::from_time_t(service.created);
  return {{"name", service.name},
          {"model", service.name},
          {"modified_at", rfc3339(loaded)},
          {"size", service.info.file_bytes},
          {"digest", ""},
          {"details", details(service)}};
}

Json ollama_loaded(const ModelService& service) {
  Json model = ollama_listed(service);
  model["size_vram"] = 0;
  model["context_length"] = service.scheduler->options().context;
  return model;
}

std::string ollama_error(const RequestError& error) {
  std::string message = error.what();
  if (!error.param().empty() && message.find(error.param()) == std::string::npos)
    message = error.param() + ": " + message;
  return dump({{"error", message}});
}

std::span<const Endpoint> ollama_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/api/chat", answer_ollama_chat, ollama_error},
      {"POST", "/api/generate", answer_generate, ollama_error},
      {"GET", "/api/tags", list_tags, ollama_error},
      {"GET", "/api/ps", list_loaded, ollama_error},
      {"POST", "/api/show", show_tag, ollama_error},
      {"GET", "/api/version", show_version, ollama_error},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
