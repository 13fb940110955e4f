// SPDX-License-Identifier: Apache-2.0
#include "engine/split_model.h"

#include <algorithm>

#include "base/error.h"
#include "distributed/cluster_implementation.h"
#include "distributed/rank_group.h"

namespace lazyllm::engine {
namespace {

void check_can_split(const model::Hyperparameters& h, const formats::ModelFile& file) {
  if (h.experts.count > 0) {
    fail(ErrorCode::unsupported,
         "{} is a mixture of experts, which cannot be split over machines yet; start it without "
         "mpirun",
         file.path().string());
  }
  if (h.per_layer_size > 0 || h.kv_layers() < h.layers) {
    fail(ErrorCode::unsupported,
         "{} has layers that read keys and values of earlier ones, or embeddings for each layer; "
         "it cannot be split over machines yet; start it without mpirun",
         file.path().string());
  }
}

}  // namespace

void load_split(Model::Implementation& model, const ModelOptions& options) {
  const model::Hyperparameters& h = *model.hyperparameters;
  check_can_split(h, *model.file);
  model.cluster = options.cluster;
  model.ranks = std::make_unique<const distributed::RankGroup>(
      *options.cluster->implementation().transport, *model.backend, *model.file, options.threads);
  const distributed::RankGroup& ranks = *model.ranks;
  const std::vector<int> rank_of_layer = ranks.split(h.layers);

  std::vector<const kernels::Backend*> backends;
  for (const int rank : rank_of_layer) backends.push_back(&ranks.backend(rank));
  model::Weights home =
      model::load_weights(*model.file, h, *model.backend, backends, options.on_progress);
  std::vector<std::unique_ptr<const model::Transformer>> others;
  for (int rank = 1; rank < ranks.size(); ++rank) {
    model::Weights weights;
    weights.layers.resize(home.layers.size());
    for (size_t layer = 0; layer < home.layers.size(); ++layer) {
      if (rank_of_layer[layer] == rank) std::swap(weights.layers[layer], home.layers[layer]);
    }
    others.push_back(
        std::make_unique<const model::Transformer>(h, std::move(weights), ranks.backend(rank)));
  }
  auto transformer = std::make_unique<model::Transformer>(h, std::move(home), *model.backend);
  transformer->set_stages(std::move(others), rank_of_layer);
  ranks.sync();
  model.transformer = std::move(transformer);
}

void LinkMeter::start(const Model::Implementation& model) {
  if (model.ranks != nullptr) before_ = model.ranks->links();
}

std::vector<LinkBytes> LinkMeter::bytes(const Model::Implementation& model) const {
  std::vector<LinkBytes> all;
  if (model.ranks == nullptr) return all;
  for (const distributed::RankGroup::Link& link : model.ranks->links()) {
    const auto same = std::find_if(before_.begin(), before_.end(), [&](const auto& before) {
      return before.from == link.from && before.to == link.to;
    });
    LinkBytes& bytes =
        all.emplace_back(LinkBytes{link.from, link.to, link.row_bytes, link.other_bytes});
    if (same == before_.end()) continue;
    bytes.rows -= same->row_bytes;
    bytes.other -= same->other_bytes;
  }
  return all;
}

}  // namespace lazyllm::engine
