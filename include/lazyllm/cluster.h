// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "lazyllm/error.h"

namespace lazyllm {

/// The processes, called ranks, that one `mpirun` started, among which the layers of a model are
/// split. Each rank keeps the weights, keys and values of its layers; rank 0 has the conversation
/// and makes all decisions, so the answers are those of one machine, to the bit.
/// One model at a time. Thread-safe but for serve().
class Cluster {
 public:
  /// Joins the others, if this process was started by mpirun with others; else null. Once in a
  /// process.
  /// Errors: Error(unsupported) where it was, but this build has no MPI.
  static std::shared_ptr<Cluster> join();
  /// Rank 0: the others end. Waits for them.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  int rank() const;
  int size() const;
  /// On every rank but 0, instead of loading models: computes until rank 0 ends.
  void serve();

  struct Implementation;
  explicit Cluster(std::unique_ptr<Implementation> implementation);
  Implementation& implementation() const { return *implementation_; }

 private:
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
