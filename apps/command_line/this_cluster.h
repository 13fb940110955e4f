// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {

/// The ranks that mpirun started with this process, which is rank 0. They end with this object.
class ThisCluster {
 public:
  ~ThisCluster();
  /// False: this was another rank than 0, rank 0 has ended, and so shall this one. `given`: the
  /// program's arguments. Errors: Error(usage) for a command that one machine runs;
  /// Error(unsupported) where this build has no MPI.
  bool join(const std::vector<std::string>& given);
};

/// For the first model that is loaded, which the ranks share; null for later ones (a small model
/// that drafts), and where this process was started alone.
std::shared_ptr<Cluster> cluster_for_a_model();

/// Errors: Error(usage) for `what` where there are other ranks.
void refuse_with_ranks(const std::string& what);

/// Bytes of each link: a line each, and as --stats-json has them.
std::string describe_links(const Statistics& statistics);
nlohmann::ordered_json links_json(const Statistics& statistics);

}  // namespace lazyllm::cli
