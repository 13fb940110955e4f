// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "distributed/rank_server.h"
#include "distributed/remote_backend.h"

namespace lazyllm::distributed {

/// Rank 0's side of one model that several ranks compute: their back ends, and what went over the
/// links. The other ranks are in serve_model().
class RankGroup {
 public:
  /// Tells all ranks which model and kernels it is. `threads`: of each rank; 0: one per core.
  /// Errors: Error(usage | invalid_file | ...) naming a rank that has another build, another model
  /// or not these kernels.
  RankGroup(Transport& transport, const kernels::Backend& home, const formats::ModelFile& file,
            int threads);
  /// The ranks forget the model.
  ~RankGroup();
  RankGroup(const RankGroup&) = delete;
  RankGroup& operator=(const RankGroup&) = delete;

  int size() const { return transport_.size(); }
  /// Of a rank; 0: the home back end.
  const kernels::Backend& backend(int rank) const;
  /// Which rank computes each layer, [layers].
  std::vector<int> split(int layers) const;
  /// Waits until every rank has done what it was told. Errors: what went wrong there.
  void sync() const;

  struct Link {
    int from = 0, to = 0;
    int64_t row_bytes = 0;    ///< hidden rows
    int64_t other_bytes = 0;  ///< operations, scores, tables
  };
  /// What went over each link since the start.
  std::vector<Link> links() const;

 private:
  Transport& transport_;
  const kernels::Backend& home_;
  const formats::ModelFile& file_;
  RemoteBackend::Shared shared_;
  mutable std::mutex links_mutex_;
  mutable std::map<std::pair<int, int>, LinkCount> links_;
  std::vector<std::string> hosts_;
  std::vector<uint64_t> available_;
  std::vector<std::unique_ptr<RemoteBackend>> backends_;  // of ranks 1, 2, ...
};

/// What a rank other than 0 does, model after model, until rank 0 ends.
void serve_models(Transport& transport);

}  // namespace lazyllm::distributed
