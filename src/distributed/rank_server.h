// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <unordered_map>

#include "distributed/operations.h"
#include "distributed/transport.h"
#include "formats/model_file.h"

namespace lazyllm::distributed {

/// What a rank other than 0 does: it runs rank 0's operations on its own back end and memory, one
/// after another, and knows nothing of layers, sequences or pruning.
class RankServer {
 public:
  RankServer(Transport& transport, const kernels::Backend& backend, const formats::ModelFile& file)
      : transport_(transport), backend_(backend), file_(file) {}

  /// Until rank 0 sends an empty message. What goes wrong is told to rank 0; then nothing more is
  /// computed.
  void run();

 private:
  void run_message(const Message& message);
  void answer(const std::vector<float>& values);
  void answer_failure(ErrorCode code, const std::string& text);

  void run(Allocate& operation);
  void run(Free& operation);
  void run(Upload& operation);
  void run(Download& operation);
  void run(Copy& operation);
  void run(LoadWeight& operation);
  void run(FreeWeight& operation);
  void run(RmsNorm& operation);
  void run(Matmul& operation);
  void run(Rope& operation);
  void run(GatedActivation& operation);
  void run(Add& operation);
  void run(Multiply& operation);
  void run(Gather& operation);
  void run(Scatter& operation);
  void run(ScatterAdd& operation);
  void run(AppendKv& operation);
  void run(MoveKv& operation);
  void run(Attention& operation);
  void run(AttentionScores& operation);
  void run(KeySimilarities& operation);
  void run(Convolve& operation);
  void run(DownloadRows& operation);
  void run(SendRows& operation);
  void run(ReceiveRows& operation);
  void run(Mark& operation);
  void run(Sync& operation);

  Transport& transport_;
  const kernels::Backend& backend_;
  const formats::ModelFile& file_;
  AddressMap memory_;
  std::unordered_map<uint64_t, std::unique_ptr<const kernels::Weight>> weights_;
};

}  // namespace lazyllm::distributed
