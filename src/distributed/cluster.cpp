// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/cluster.h"

#include "distributed/cluster_implementation.h"
#include "distributed/connect_ranks.h"
#include "distributed/rank_group.h"

namespace lazyllm {

Cluster::Cluster(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}

Cluster::~Cluster() {
  for (int other = 1; rank() == 0 && other < size(); ++other) {
    implementation_->transport->send(other, distributed::Channel::commands, {});
  }
}

std::shared_ptr<Cluster> Cluster::join() {
  auto implementation = std::make_unique<Implementation>();
  implementation->transport = distributed::connect_ranks();
  if (implementation->transport == nullptr) return nullptr;
  return std::make_shared<Cluster>(std::move(implementation));
}

int Cluster::rank() const {
  return implementation_->transport->rank();
}
int Cluster::size() const {
  return implementation_->transport->size();
}

void Cluster::serve() {
  distributed::serve_models(*implementation_->transport);
}

}  // namespace lazyllm
