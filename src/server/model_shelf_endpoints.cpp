// SPDX-License-Identifier: Apache-2.0
#include "server/model_shelf_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include "lazyllm/version.h"
#include "server/endpoint.h"
#include "server/native_endpoints.h"
#include "server/ollama_protocol.h"

namespace lazyllm::server {
namespace {

const char* word_of(ModelShelf::Status status) {
  switch (status) {
    case ModelShelf::Status::unloaded:
      return "unloaded";
    case ModelShelf::Status::loading:
      return "loading";
    case ModelShelf::Status::loaded:
      return "loaded";
    case ModelShelf::Status::unloading:
      return "unloading";
  }
  return "unloaded";
}

Json listed(const ModelShelf::Listed& one) {
  Json json = {{"id", one.name}, {"object", "model"}, {"created", 0}, {"owned_by", "lazyllm"}};
  if (one.service) json = model_json(*one.service);
  json["path"] = one.file.path.string();
  json["status"] = {{"value", word_of(one.status)}};
  if (!one.failure.empty()) {
    json["status"]["failed"] = true;
    json["status"]["error"] = one.failure;
  }
  return json;
}

void list_shelf(ModelShelf& shelf, Exchange& exchange) {
  Json data = Json::array();
  for (const ModelShelf::Listed& one : shelf.list()) data.push_back(listed(one));
  respond(exchange, {{"object", "list"}, {"data", std::move(data)}});
}

void show_of_shelf(ModelShelf& shelf, Exchange& exchange) {
  const std::vector<ModelShelf::Listed> all = shelf.list();
  const auto found = std::find_if(all.begin(), all.end(), [&](const ModelShelf::Listed& one) {
    return one.name == exchange.path_rest;
  });
  if (found == all.end()) {
    throw RequestError(404, "invalid_request_error", "model_not_found",
                       fmt::format("there is no model \"{}\" here; GET /v1/models lists them",
                                   exchange.path_rest.substr(0, 200)),
                       "model");
  }
  respond(exchange, listed(*found));
}

std::string required_model(const Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  return to_text(Fields(json).require("model"), "model");
}

void load_model(ModelShelf& shelf, Exchange& exchange) {
  shelf.load(required_model(exchange), [&] { return exchange.peer.gone(); });
  respond(exchange, {{"success", true}});
}

void unload_model(ModelShelf& shelf, Exchange& exchange) {
  shelf.unload(required_model(exchange), [&] { return exchange.peer.gone(); });
  respond(exchange, {{"success", true}});
}

/// ollama's /api/tags: all; /api/ps: those that are loaded.
void list_for_ollama(ModelShelf& shelf, Exchange& exchange, bool loaded_only) {
  Json models = Json::array();
  for (const ModelShelf::Listed& one : shelf.list()) {
    if (one.service) {
      models.push_back(loaded_only ? ollama_loaded(*one.service) : ollama_listed(*one.service));
    } else if (!loaded_only) {
      models.push_back({{"name", one.name},
                        {"model", one.name},
                        {"modified_at", "1970-01-01T00:00:00Z"},
                        {"size", one.file.bytes},
                        {"digest", ""},
                        {"details", Json::object()}});
    }
  }
  respond(exchange, {{"models", std::move(models)}});
}

void show_router(ModelShelf& shelf, Exchange& exchange) {
  const ModelShelf::Options& options = shelf.options();
  respond(exchange, {{"role", "router"},
                     {"build_info", fmt::format("b{} lazyllm", version())},
                     {"max_instances", options.most},
                     {"models_autoload", options.autoload},
                     {"models_dir", options.folder.string()}});
}

}  // namespace

std::string named_model(const Exchange& exchange) {
  const HttpRequest& request = exchange.request;
  if (const std::string asked = request.query_value("model"); !asked.empty()) return asked;
  if (exchange.body.empty()) return {};
  const std::string type = request.fields.get("Content-Type");
  if (type.starts_with("multipart/")) return {};
  const Json json = parse_body(exchange.body);
  return Fields(json).text("model").value_or("");
}

void add_shelf_routes(HttpServer& http, ModelShelf& shelf) {
  using Answer = void (*)(ModelShelf&, Exchange&);
  const auto add = [&](const char* method, const char* path, Answer answer,
                       ErrorText error_text = nullptr) {
    Route route;
    route.handler = [&shelf, answer](Exchange& exchange) { answer(shelf, exchange); };
    route.error_text = error_text;
    http.route(method, path, route);
  };
  for (const char* path : {"/v1/models", "/models"}) add("GET", path, list_shelf);
  for (const char* path : {"/v1/models/{model}", "/models/{model}"})
    add("GET", path, show_of_shelf);
  add("POST", "/models/load", load_model);
  add("POST", "/models/unload", unload_model);
  add(
      "GET", "/api/tags", [](ModelShelf& s, Exchange& e) { list_for_ollama(s, e, false); },
      ollama_error);
  add(
      "GET", "/api/ps", [](ModelShelf& s, Exchange& e) { list_for_ollama(s, e, true); },
      ollama_error);
}

void add_router_properties(HttpServer& http, ModelShelf& shelf, Handler of_a_model) {
  Route route;
  route.handler = [&shelf, of_a_model = std::move(of_a_model)](Exchange& exchange) {
    if (named_model(exchange).empty()) return show_router(shelf, exchange);
    of_a_model(exchange);
  };
  http.route("GET", "/props", route);
}

}  // namespace lazyllm::server
