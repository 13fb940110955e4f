// SPDX-License-Identifier: Apache-2.0
#include "this_cluster.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace lazyllm::cli {
namespace {

struct Ranks {
  std::shared_ptr<Cluster> cluster;
  bool has_model = false;
};
Ranks& ranks() {
  static Ranks all;
  return all;
}

}  // namespace

ThisCluster::~ThisCluster() {
  ranks().cluster.reset();
}

bool ThisCluster::join(const std::vector<std::string>& given) {
  std::shared_ptr<Cluster> cluster = Cluster::join();
  if (cluster == nullptr) return true;
  if (cluster->rank() > 0) {
    cluster->serve();
    return false;
  }
  ranks().cluster = std::move(cluster);
  constexpr std::array kAlone = {"attention", "bench", "library", "paper", "quantize", "tune"};
  if (!given.empty() && std::find(kAlone.begin(), kAlone.end(), given.front()) != kAlone.end()) {
    throw Error(ErrorCode::usage,
                fmt::format("lazyllm {} runs on one machine; start it without mpirun. run, chat, "
                            "serve, logits and eval can share a model",
                            given.front()));
  }
  return true;
}

std::shared_ptr<Cluster> cluster_for_a_model() {
  return std::exchange(ranks().has_model, true) ? nullptr : ranks().cluster;
}

void refuse_with_ranks(const std::string& what) {
  if (ranks().cluster == nullptr) return;
  throw Error(ErrorCode::usage, what + ": the ranks of mpirun share one model; name it with -m");
}

std::string describe_links(const Statistics& statistics) {
  std::string lines;
  for (const LinkBytes& link : statistics.links) {
    lines += fmt::format("[rank {} to {}] {:.2f} MiB of hidden states, {:.2f} MiB besides\n",
                         link.from, link.to, static_cast<double>(link.rows) / (1 << 20),
                         static_cast<double>(link.other) / (1 << 20));
  }
  return lines;
}

nlohmann::ordered_json links_json(const Statistics& statistics) {
  auto list = nlohmann::ordered_json::array();
  for (const LinkBytes& link : statistics.links) {
    list.push_back({{"from", link.from},
                    {"to", link.to},
                    {"row_bytes", link.rows},
                    {"other_bytes", link.other}});
  }
  return list;
}

}  // namespace lazyllm::cli
