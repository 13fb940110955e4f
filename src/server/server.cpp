// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <ctime>

#include "base/error.h"
#include "lazyllm/version.h"
#include "server/anthropic_protocol.h"
#include "server/completion_endpoints.h"
#include "server/documents_endpoints.h"
#include "server/embeddings_endpoints.h"
#include "server/http_server.h"
#include "server/model_service.h"
#include "server/model_shelf.h"
#include "server/model_shelf_endpoints.h"
#include "server/native_endpoints.h"
#include "server/ollama_protocol.h"
#include "server/page.h"
#include "server/rerank_endpoints.h"
#include "server/responses_protocol.h"
#include "server/slot_endpoints.h"

namespace lazyllm {
namespace {

using server::Exchange;

// For requests that only ask, such as /tokenize, beside those being answered.
constexpr int kSpareThreads = 64;

/// What the server speaks.
constexpr std::array kProtocols = {
    server::openai_endpoints,     server::native_endpoints,    server::anthropic_endpoints,
    server::ollama_endpoints,     server::responses_endpoints, server::document_endpoints,
    server::embeddings_endpoints, server::rerank_endpoints,    server::slot_endpoints};

/// Begins with "b" as clients of llama-server expect.
std::string fingerprint(const ModelInfo& info) {
  return fmt::format("b{}-{}-{}", version(), info.architecture, info.isa);
}

server::HttpOptions http_options(const ServerOptions& options) {
  server::HttpOptions http;
  http.host = options.host;
  http.port = options.port;
  http.certificate_file = options.certificate_file;
  http.key_file = options.key_file;
  http.api_keys = options.api_keys;
  http.cors_origins = options.cors_origins;
  http.allowed_hosts = options.allowed_hosts;
  http.limits.body_bytes = options.max_body_bytes;
  http.limits.head = options.head_timeout;
  http.limits.body = options.body_timeout;
  const auto enough = options.scheduler.parallel + options.scheduler.max_queue + kSpareThreads;
  http.threads = static_cast<size_t>(options.http_threads > 0 ? options.http_threads : enough);
  return http;
}

}  // namespace

struct Server::Implementation {
  explicit Implementation(const ServerOptions& given);

  void route(const server::Endpoint& endpoint);
  void show_health(Exchange& exchange);
  /// The model that a request is for. Errors: RequestError 503 while there is none; those of
  /// ModelShelf::acquire.
  std::shared_ptr<server::ModelService> service(const Exchange& exchange) const;
  /// Errors: RequestError 503 while no request can be answered.
  void check_ready() const;
  std::shared_ptr<server::ModelService> make_service(std::shared_ptr<const Model> model,
                                                     const std::string& name);
  void answer(const server::Endpoint& endpoint, Exchange& exchange) const;
  void add_shelf();

  ServerOptions options;
  server::Metrics metrics;
  std::shared_ptr<server::StableHead> stable_head;  // of all models; null: none is wanted
  std::shared_ptr<server::ModelService> current;    // guarded by atomic access
  std::shared_ptr<server::ResponsesStore> responses = std::make_shared<server::ResponsesStore>();
  std::unique_ptr<server::ModelShelf> shelf;  // null: one model
  std::atomic<bool> serves_folder{false};
  LoadModel load_model;  // set before serves_folder
  std::atomic<bool> stopping{false};
  std::unique_ptr<server::HttpServer> http;
};

Server::Implementation::Implementation(const ServerOptions& given) : options(given) {
  server::HttpOptions http_settings = http_options(options);
  http_settings.on_finished = [this](const std::string& path, int status, double seconds) {
    metrics.count_response(path, status, seconds);
  };
  http = std::make_unique<server::HttpServer>(http_settings);
  for (const char* path : {"/health", "/v1/health"}) {
    http->route("GET", path,
                {[this](Exchange& exchange) { show_health(exchange); }, /*open=*/true,
                 /*quick=*/true});
  }
  for (const auto list : kProtocols) {
    for (const server::Endpoint& endpoint : list()) route(endpoint);
  }
  if (!options.models_dir.empty()) add_shelf();
  if (options.page) server::add_page(*http);
  http->start();
}

/// Several models: their lists instead of those of one.
void Server::Implementation::add_shelf() {
  shelf = std::make_unique<server::ModelShelf>(
      server::ModelShelf::Options{options.models_dir, static_cast<size_t>(options.models_max),
                                  options.models_autoload},
      [this](const std::string& name, const std::filesystem::path& path) {
        return make_service(load_model(path), name);
      });
  add_shelf_routes(*http, *shelf);
  for (const server::Endpoint& endpoint : server::native_endpoints()) {
    if (endpoint.path != std::string_view("/props")) continue;
    add_router_properties(*http, *shelf,
                          [this, endpoint](Exchange& exchange) { answer(endpoint, exchange); });
  }
}

void Server::Implementation::route(const server::Endpoint& endpoint) {
  server::Route route;
  route.handler = [this, endpoint](Exchange& exchange) { answer(endpoint, exchange); };
  route.error_text = endpoint.error_text;
  route.takes_forms = endpoint.takes_forms;
  http->route(endpoint.method, endpoint.path, route);
}

/// The request holds the model, also while its stream is sent.
void Server::Implementation::answer(const server::Endpoint& endpoint, Exchange& exchange) const {
  const std::shared_ptr<server::ModelService> held = service(exchange);
  endpoint.answer(*held, exchange);
  if (exchange.response.stream) {
    exchange.response.stream = [held, stream = std::move(exchange.response.stream)](
                                   server::HttpSink& sink) { stream(sink); };
  }
}

void Server::Implementation::check_ready() const {
  if (serves_folder || std::atomic_load(&current) != nullptr) return;
  throw server::RequestError(503, "unavailable_error", "loading_model", "Loading model");
}

std::shared_ptr<server::ModelService> Server::Implementation::service(
    const Exchange& exchange) const {
  check_ready();
  if (auto held = std::atomic_load(&current)) return held;
  const std::string name = server::named_model(exchange);
  if (name.empty() && options.strict_model) {
    throw server::RequestError(400, "invalid_request_error", "missing_field",
                               "say which model is meant; GET /v1/models lists them", "model");
  }
  return shelf->acquire(name, [&] { return exchange.peer.gone(); });
}

void Server::Implementation::show_health(Exchange& exchange) {
  check_ready();
  if (stopping)
    throw server::RequestError(503, "unavailable_error", "stopping", "the server is stopping");
  exchange.response.set_content("{\"status\":\"ok\"}", "application/json; charset=utf-8");
}

Server::Server(const ServerOptions& options)
    : implementation_(std::make_unique<Implementation>(options)) {
  if (!options.stable_head.empty()) {
    implementation_->stable_head = std::make_shared<server::StableHead>(options.stable_head);
  }
  open_log();
}

Server::~Server() {
  stop(std::chrono::milliseconds(0));
}

std::shared_ptr<server::ModelService> Server::Implementation::make_service(
    std::shared_ptr<const Model> model, const std::string& name) {
  auto service = std::make_shared<server::ModelService>();
  service->info = model->info();
  service->name = name;
  service->fingerprint = fingerprint(service->info);
  // The shelf knows its names itself.
  service->strict_model = options.strict_model && shelf == nullptr;
  service->created = std::time(nullptr);
  SessionOptions probe;
  probe.pruning = options.pruning;
  const Session refuses_defaults_that_cannot_work(model, probe);
  // The profile is looked for once, not again for each request.
  PruningOptions flags = options.pruning;
  flags.profile = "none";
  service->defaults = {flags,
                       applied_profile(options.pruning, *model),
                       options.generation,
                       options.random_seed,
                       options.reasoning,
                       options.verbose};
  service->pooling = options.pooling;
  service->embeds_tokens = options.embeds_tokens;
  service->rerank_heads = options.rerank_heads;
  service->ping_interval = options.ping_interval;
  SchedulerOptions scheduler = options.scheduler;
  // Of many models some have a shorter context.
  if (shelf != nullptr) {
    scheduler.context = std::min(scheduler.context, service->info.context_length);
  }
  scheduler.on_message = [](const std::string& text) {
    server::write_log(server::LogLine("info", "scheduler").add("message", text));
  };
  service->stable_head = stable_head;
  service->documents = std::make_unique<server::DocumentShelf>(scheduler.library);
  service->scheduler = std::make_unique<Scheduler>(model, scheduler);
  service->cost = std::make_unique<server::CostModel>(model);
  service->metrics = &metrics;
  service->model = std::move(model);
  service->responses = responses;
  return service;
}

void Server::serve(std::shared_ptr<const Model> model) {
  Implementation& self = *implementation_;
  std::atomic_store(&self.current, self.make_service(std::move(model), self.options.model_name));
}

void Server::serve_folder(LoadModel load) {
  Implementation& self = *implementation_;
  std::error_code error;
  if (self.shelf == nullptr || !std::filesystem::is_directory(self.options.models_dir, error)) {
    fail(ErrorCode::usage, "--models-dir {}: there is no such folder",
         self.options.models_dir.string());
  }
  self.load_model = std::move(load);
  self.serves_folder = true;
}

void Server::set_api_keys(const std::vector<std::string>& keys) {
  implementation_->http->set_api_keys(keys);
}

void Server::reload_certificate() {
  implementation_->http->reload_certificate();
}

void Server::open_log() {
  const ServerOptions& options = implementation_->options;
  server::set_log(options.log_file,
                  options.log_format == "json" ? server::LogFormat::json : server::LogFormat::text);
}

int Server::port() const {
  return implementation_->http->port();
}

void Server::stop(std::chrono::milliseconds limit) {
  implementation_->stopping = true;
  // First the answers, then the connections that carry them.
  const auto end = std::chrono::steady_clock::now() + limit;
  std::vector<std::shared_ptr<server::ModelService>> services;
  if (implementation_->shelf) services = implementation_->shelf->stop();
  if (auto service = std::atomic_load(&implementation_->current)) services.push_back(service);
  for (const auto& service : services) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    service->scheduler->drain(std::max(left, std::chrono::milliseconds(0)));
  }
  implementation_->http->stop();
}

}  // namespace lazyllm
