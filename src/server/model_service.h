// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <ctime>
#include <memory>
#include <string>

#include "lazyllm/scheduler.h"
#include "server/cost_model.h"
#include "server/document_shelf.h"
#include "server/generation_request.h"
#include "server/metrics.h"
#include "server/responses_store.h"
#include "server/stable_head.h"

namespace lazyllm::server {

/// What all requests to a model share. Thread-safe through its members.
struct ModelService {
  std::shared_ptr<const Model> model;
  ModelInfo info;
  std::string name;           ///< as answers write it
  std::string fingerprint;    ///< stands for all that bits of an answer depend on but the request
  bool strict_model = false;  ///< requests have to write this name, if any
  std::time_t created = 0;
  RequestDefaults defaults;
  Pooling pooling = Pooling::none;          ///< of embeddings; none: the model's own, or mean
  bool embeds_tokens = false;               ///< embeddings are of each token
  std::vector<AttentionHead> rerank_heads;  ///< none: all
  std::chrono::milliseconds ping_interval{10000};  ///< of comments in a silent stream
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<CostModel> cost;
  Metrics* metrics = nullptr;
  /// Of all models of a server.
  std::shared_ptr<ResponsesStore> responses = std::make_shared<ResponsesStore>();
  std::shared_ptr<StableHead> stable_head;   ///< of all models of a server; null: none is wanted
  std::unique_ptr<DocumentShelf> documents;  ///< goes before the scheduler that it waits for
};

}  // namespace lazyllm::server
