// SPDX-License-Identifier: Apache-2.0
#include "server/documents_endpoints.h"

#include <fmt/format.h>

#include <array>
#include <chrono>
#include <semaphore>

#include "lazyllm/document_reader.h"
#include "lazyllm/library.h"
#include "server/affinity.h"
#include "server/completion_endpoints.h"
#include "server/document_shelf.h"
#include "server/document_upload.h"

namespace lazyllm::server {
namespace {

constexpr size_t kMostDocuments = 64;
// Converters run beside the model and have 2 GiB of memory each.
constexpr int kMostConversions = 2;
constexpr std::chrono::seconds kConversionQueue(60);

/// The text of an upload. Errors: RequestError 400, 501 where a program is missing, 503.
Document convert(DocumentUpload& upload) {
  static std::counting_semaphore<kMostConversions> places(kMostConversions);
  if (!places.try_acquire_for(kConversionQueue)) {
    throw RequestError(503, "unavailable_error", "overloaded",
                       "too many documents are being converted; try again in a moment");
  }
  struct Release {
    ~Release() { places.release(); }
  } release;
  try {
    return to_document(std::move(upload.bytes), upload.is_text ? "text" : upload.name);
  } catch (const Error& error) {
    throw RequestError(error);
  }
}

const char* name_of(DocumentShelf::Reading::State state) {
  using State = DocumentShelf::Reading::State;
  switch (state) {
    case State::reading:
      return "reading";
    case State::ready:
      return "ready";
    case State::failed:
      return "failed";
    default:
      return "stored";
  }
}

Json document_json(ModelService& service, const DocumentShelf::Document& document) {
  const LibraryEntry& entry = document.entry;
  const DocumentShelf::Reading reading = service.documents->reading(entry.id);
  Json json = {{"id", entry.id},
               {"object", "document"},
               {"name", entry.name},
               {"bytes", entry.bytes},
               {"created_at", entry.created / 1000},
               {"used_at", entry.used / 1000},
               {"kept", document.on_disk ? "library" : "memory"},
               {"status", name_of(reading.state)}};
  if (reading.state != DocumentShelf::Reading::State::none) {
    json["progress"] = reading.share;
    json["prompt_tokens"] = reading.tokens;
  }
  if (!reading.error.empty()) json["error"] = reading.error;
  return json;
}

/// As the beginning of what will be asked: in the user's first turn, or bare for a model that knows
/// no turns. Nothing is generated.
AnswerJob reading_job(ModelService& service, Exchange& exchange, const DocumentUpload& upload,
                      const std::string& text) {
  // As questions about it will have it.
  set_affinity(exchange, Json{{"documents", Json::array({Library::document_id(text)})}});
  Json request = {{"max_tokens", 0}};
  if (!upload.lazy.is_null()) request["lazy"] = upload.lazy;
  const std::string head = document_head(text);
  if (!service.info.has_chat_template) {
    request["prompt"] = head;
    return text_job(service, exchange, request);
  }
  request["messages"] = Json::array();
  if (!upload.system.empty()) {
    request["messages"].push_back({{"role", "system"}, {"content", upload.system}});
  }
  request["messages"].push_back({{"role", "user"}, {"content", head}});
  return chat_job(service, exchange, request);
}

/// Why it is not read, or nothing. A document is kept all the same when too much is waiting: the
/// first question about it reads it.
std::string read_ahead(ModelService& service, const std::string& id, const AnswerJob& job) {
  AnswerRequest request = job.request.answer;
  request.prompt = job.prompts[0].tokens;
  request.generation.protected_ranges = job.prompts[0].protected_ranges;
  const auto tokens = static_cast<int64_t>(request.prompt.size());
  try {
    service.documents->begin_reading(id, service.scheduler->submit(std::move(request)), tokens);
    return {};
  } catch (const Error& error) {
    if (error.code() != ErrorCode::overloaded) throw;
    return error.what();
  }
}

void add_document(ModelService& service, Exchange& exchange) {
  DocumentUpload upload = parse_document_upload(exchange);
  const Document document = convert(upload);
  std::optional<AnswerJob> job;  // a text that does not fit is refused before it is kept
  if (upload.read_ahead) job = reading_job(service, exchange, upload, document.text);
  std::string problem;
  const DocumentShelf::Document kept = service.documents->put(upload.name, document.text, problem);
  std::string unread;
  if (job) unread = read_ahead(service, kept.entry.id, *job);
  Json json = document_json(service, kept);
  json["notes"] = document.notes;
  if (!unread.empty()) json["notes"].push_back("not read ahead, only kept: " + unread);
  if (!problem.empty()) {
    json["notes"].push_back("kept in memory only: " + problem);
    write_log(LogLine("warning", "library").add("message", problem));
  }
  respond(exchange, json);
}

void list_documents(ModelService& service, Exchange& exchange) {
  Json data = Json::array();
  for (const DocumentShelf::Document& document : service.documents->all()) {
    data.push_back(document_json(service, document));
  }
  respond(exchange, {{"object", "list"}, {"data", std::move(data)}});
}

/// "ID", or "ID/content".
void show_document(ModelService& service, Exchange& exchange) {
  constexpr std::string_view kContent = "/content";
  std::string id = exchange.path_rest;
  const bool content = id.ends_with(kContent);
  if (!content) {
    return respond(exchange, document_json(service, service.documents->find(id, "document_id")));
  }
  id.resize(id.size() - kContent.size());
  exchange.response.set_content(service.documents->text(id, "document_id"),
                                "text/plain; charset=utf-8");
}

void delete_document(ModelService& service, Exchange& exchange) {
  const std::string& id = exchange.path_rest;
  const std::string text = service.documents->text(id, "document_id");
  service.documents->remove(id);
  service.scheduler->forget(
      service.model->tokenize(text, /*add_special=*/false, /*parse_special=*/false));
  respond(exchange, {{"id", id}, {"object", "document.deleted"}, {"deleted", true}});
}

/// Puts `text` before a message's own.
void prepend(Json& message, const std::string& text) {
  Json& content = message["content"];
  if (content.is_array()) {
    content.insert(content.begin(), Json::object({{"type", "text"}, {"text", text}}));
  } else if (content.is_string()) {
    content = text + content.get<std::string>();
  } else {
    throw invalid_request("documents", "the first user message has no text to follow on documents");
  }
}

std::vector<std::string> texts_of(const ModelService& service, const Json& ids) {
  if (!ids.is_array()) throw invalid_request("documents", "documents must be a list of ids");
  if (ids.size() > kMostDocuments) {
    throw invalid_request("documents", fmt::format("there are {} documents; give at most {}",
                                                   ids.size(), kMostDocuments));
  }
  std::vector<std::string> texts;
  for (size_t i = 0; i < ids.size(); ++i) {
    const std::string name = fmt::format("documents[{}]", i);
    texts.push_back(document_head(service.documents->text(to_text(ids[i], name.c_str()), name)));
  }
  return texts;
}

bool wants_free_order(const Json& body) {
  const std::string order = Fields(body).text("order").value_or("given");
  if (order != "given" && order != "free") {
    throw invalid_request("order",
                          "order is \"given\" (documents are read one after the other) or \"free\" "
                          "(each is taken from where it was read alone, at some loss)");
  }
  if (order == "given" && Fields(body).object("lazy") &&
      Fields(body).object("lazy")->find("recompute") != nullptr) {
    throw invalid_request("lazy.recompute", "lazy.recompute is of documents in order \"free\"");
  }
  return order == "free";
}

}  // namespace

std::string document_head(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text + "\n\n";
}

std::optional<ExpandedRequest> with_documents(const ModelService& service, const Json& body) {
  const auto field = body.is_object() ? body.find("documents") : body.end();
  const bool free_order = body.is_object() && wants_free_order(body);
  const bool none =
      field == body.end() || field->is_null() || (field->is_array() && field->empty());
  if (free_order && none) {
    throw invalid_request("order", "order \"free\" wants documents that may be moved");
  }
  if (field == body.end()) return std::nullopt;
  ExpandedRequest result{body, {}, free_order};
  result.body.erase("documents");
  if (none) return result;
  result.texts = texts_of(service, *field);
  std::string text;
  for (const std::string& each : result.texts) text += each;
  if (const auto prompt = result.body.find("prompt"); prompt != result.body.end()) {
    if (!prompt->is_string()) {
      throw invalid_request("documents", "documents wants a prompt that is one text");
    }
    *prompt = text + prompt->get<std::string>();
    return result;
  }
  const auto messages = result.body.find("messages");
  if (messages == result.body.end() || !messages->is_array()) return result;  // refused as it is
  for (Json& message : *messages) {
    if (message.is_object() && message.value("role", Json()) == "user") {
      prepend(message, text);
      return result;
    }
  }
  throw invalid_request("documents", "documents wants a user message to stand before");
}

std::vector<TokenRange> ranges_of(const Model& model, std::span<const TokenId> prompt,
                                  std::span<const std::string> texts) {
  constexpr const char* kWhite = " \t\r\n";
  std::string all;
  std::vector<size_t> ends;  // of each token in `all`
  for (const TokenId token : prompt) {
    all += model.piece(token, /*special=*/true);
    ends.push_back(all.size());
  }
  std::vector<TokenRange> ranges;
  size_t from = 0;
  for (const std::string& whole : texts) {
    const size_t first = whole.find_first_not_of(kWhite);
    if (first == std::string::npos) continue;
    const std::string text = whole.substr(first, whole.find_last_not_of(kWhite) + 1 - first);
    const size_t begin = all.find(text, from);
    if (begin == std::string::npos) continue;
    from = begin + text.size();
    // Tokens that begin at `begin` or later, and end at `from` or before.
    const auto first_token =
        begin == 0 ? ends.begin() : std::lower_bound(ends.begin(), ends.end(), begin) + 1;
    const auto end_token = std::upper_bound(ends.begin(), ends.end(), from);
    if (first_token < end_token) {
      ranges.push_back({first_token - ends.begin(), end_token - ends.begin()});
    }
  }
  return ranges;
}

std::span<const Endpoint> document_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/v1/documents", add_document, nullptr, /*takes_forms=*/true},
      {"GET", "/v1/documents", list_documents},
      {"GET", "/v1/documents/{document_id}", show_document},
      {"DELETE", "/v1/documents/{document_id}", delete_document},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
