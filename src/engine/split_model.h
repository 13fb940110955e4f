// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "engine/model_implementation.h"
#include "lazyllm/options.h"
#include "lazyllm/session.h"

namespace lazyllm::engine {

/// Loads the weights of an opened model into the ranks of options.cluster: the ranks' back ends
/// and the transformer with its stages. Waits until every rank has its layers.
/// Errors: as ModelOptions::cluster says.
void load_split(Model::Implementation& model, const ModelOptions& options);

/// Bytes that went over a model's links since some time.
class LinkMeter {
 public:
  void start(const Model::Implementation& model);
  /// Since start(); empty where one process has all layers.
  std::vector<LinkBytes> bytes(const Model::Implementation& model) const;

 private:
  std::vector<distributed::RankGroup::Link> before_;
};

}  // namespace lazyllm::engine
