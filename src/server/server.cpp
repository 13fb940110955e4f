// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/server.h"

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <ctime>

#include "lazyllm/version.h"
#include "server/anthropic_protocol.h"
#include "server/completion_endpoints.h"
#include "server/documents_endpoints.h"
#include "server/embeddings_endpoints.h"
#include "server/http_server.h"
#include "server/model_service.h"
#include "server/native_endpoints.h"
#include "server/ollama_protocol.h"
#include "server/page.h"
#include "server/responses_protocol.h"

namespace lazyllm {
namespace {

using server::Exchange;

// For requests that only ask, such as /tokenize, beside those being answered.
constexpr int kSpareThreads = 64;

/// What the server speaks.
constexpr std::array kProtocols = {server::openai_endpoints,    server::native_endpoints,
                                   server::anthropic_endpoints, server::ollama_endpoints,
                                   server::responses_endpoints, server::document_endpoints,
                                   server::embeddings_endpoints};

/// Begins with "b" as clients of llama-server expect.
std::string fingerprint(const ModelInfo& info) {
  return fmt::format("b{}-{}-{}", version(), info.architecture, info.isa);
}

server::HttpOptions http_options(const ServerOptions& options) {
  server::HttpOptions http;
  http.host = options.host;
  http.port = options.port;
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
  /// Errors: RequestError 503 while there is no model.
  std::shared_ptr<server::ModelService> service() const;

  ServerOptions options;
  server::Metrics metrics;
  std::unique_ptr<server::StableHead> stable_head;  // until serve()
  std::shared_ptr<server::ModelService> current;  // guarded by atomic access
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
  if (options.page) server::add_page(*http);
  http->start();
}

void Server::Implementation::route(const server::Endpoint& endpoint) {
  server::Route route;
  route.handler = [this, endpoint](Exchange& exchange) {
    const std::shared_ptr<server::ModelService> held = service();
    endpoint.answer(*held, exchange);
  };
  route.error_text = endpoint.error_text;
  route.takes_forms = endpoint.takes_forms;
  http->route(endpoint.method, endpoint.path, route);
}

std::shared_ptr<server::ModelService> Server::Implementation::service() const {
  auto held = std::atomic_load(&current);
  if (held != nullptr) return held;
  throw server::RequestError(503, "unavailable_error", "loading_model", "Loading model");
}

void Server::Implementation::show_health(Exchange& exchange) {
  service();
  if (stopping)
    throw server::RequestError(503, "unavailable_error", "stopping", "the server is stopping");
  exchange.response.set_content("{\"status\":\"ok\"}", "application/json; charset=utf-8");
}

Server::Server(const ServerOptions& options)
    : implementation_(std::make_unique<Implementation>(options)) {
  if (!options.stable_head.empty()) {
    implementation_->stable_head = std::make_unique<server::StableHead>(options.stable_head);
  }
  open_log();
}

Server::~Server() {
  stop(std::chrono::milliseconds(0));
}

void Server::serve(std::shared_ptr<const Model> model) {
  Implementation& self = *implementation_;
  auto service = std::make_shared<server::ModelService>();
  service->info = model->info();
  service->name = self.options.model_name;
  service->fingerprint = fingerprint(service->info);
  service->strict_model = self.options.strict_model;
  service->created = std::time(nullptr);
  SessionOptions probe;
  probe.pruning = self.options.pruning;
  const Session refuses_defaults_that_cannot_work(model, probe);
  // The profile is looked for once, not again for each request.
  PruningOptions flags = self.options.pruning;
  flags.profile = "none";
  service->defaults = {flags,
                       applied_profile(self.options.pruning, *model),
                       self.options.generation,
                       self.options.random_seed,
                       self.options.reasoning,
                       self.options.verbose};
  service->pooling = self.options.pooling;
  service->ping_interval = self.options.ping_interval;
  SchedulerOptions scheduler = self.options.scheduler;
  scheduler.on_message = [](const std::string& text) {
    server::write_log(server::LogLine("info", "scheduler").add("message", text));
  };
  service->stable_head = std::move(self.stable_head);
  service->documents = std::make_unique<server::DocumentShelf>(scheduler.library);
  service->scheduler = std::make_unique<Scheduler>(model, scheduler);
  service->cost = std::make_unique<server::CostModel>(model);
  service->metrics = &self.metrics;
  service->model = std::move(model);
  std::atomic_store(&self.current, service);
}

void Server::set_api_keys(const std::vector<std::string>& keys) {
  implementation_->http->set_api_keys(keys);
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
  if (const auto service = std::atomic_load(&implementation_->current)) {
    service->scheduler->drain(limit);
  }
  implementation_->http->stop();
}

}  // namespace lazyllm
