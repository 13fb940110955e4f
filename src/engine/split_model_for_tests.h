// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <thread>
#include <vector>

#include "distributed/cluster_implementation.h"
#include "distributed/memory_transport_for_tests.h"
#include "distributed/rank_group.h"
#include "lazy/tiny_model_for_tests.h"
#include "lazyllm/model.h"

namespace lazyllm {

/// The random model of a shape, its layers split over ranks that are threads.
class SplitModel {
 public:
  explicit SplitModel(int ranks, const lazy::TinyShape& shape = {}) {
    auto transports = distributed::MemoryTransport::make(ranks);
    for (int rank = 1; rank < ranks; ++rank) {
      std::shared_ptr<distributed::Transport> mine =
          std::move(transports[static_cast<size_t>(rank)]);
      servers_.emplace_back([mine] { distributed::serve_models(*mine); });
    }
    auto implementation = std::make_unique<Cluster::Implementation>();
    implementation->transport = std::move(transports.front());
    auto cluster = std::make_shared<Cluster>(std::move(implementation));
    const auto path = lazy::temporary_model_path();
    lazy::write_tiny_model(shape, path);
    ModelOptions options;
    options.threads = 1;  // of each rank
    options.cluster = cluster;
    try {
      model_ = Model::load(path, options);
    } catch (...) {
      std::filesystem::remove(path);
      options.cluster.reset();
      cluster.reset();
      for (std::thread& server : servers_) server.join();
      throw;
    }
    std::filesystem::remove(path);
  }
  /// Whoever has the model is gone by now.
  ~SplitModel() {
    model_.reset();
    for (std::thread& server : servers_) server.join();
  }
  SplitModel(const SplitModel&) = delete;
  SplitModel& operator=(const SplitModel&) = delete;

  const std::shared_ptr<const Model>& model() const { return model_; }

 private:
  std::vector<std::thread> servers_;
  std::shared_ptr<const Model> model_;
};

}  // namespace lazyllm
