// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <ctime>
#include <memory>
#include <string>

#include "lazyllm/scheduler.h"
#include "server/cost_model.h"
#include "server/generation_request.h"
#include "server/metrics.h"

namespace lazyllm::server {

/// What all requests to a model share. Thread-safe through its members.
struct ModelService {
  std::shared_ptr<const Model> model;
  ModelInfo info;
  std::string name;  ///< as requests write it
  std::time_t created = 0;
  RequestDefaults defaults;
  std::chrono::milliseconds ping_interval{10000};  ///< of comments in a silent stream
  std::unique_ptr<Scheduler> scheduler;
  std::unique_ptr<CostModel> cost;
  Metrics* metrics = nullptr;
};

}  // namespace lazyllm::server
