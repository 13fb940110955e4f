// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lazy/sequence.h"
#include "lazyllm/token_report.h"

namespace lazyllm::engine {

/// Notes how deep the tokens of a prompt are carried: once after the prefill, then what each step
/// of the answer revived.
class DepthRecorder {
 public:
  /// After the prefill. `sequence_indices[i]`: token i of the prompt in `sequence`; -1: left out.
  void start(const lazy::Sequence& sequence, std::vector<int64_t> sequence_indices);
  /// After a step of the answer; looks for what it carried on only if it `revived` something.
  /// `depth`: how deep a token of the sequence stands.
  void note_step(const std::function<int(int64_t)>& depth, bool revived);
  void clear();

  const TokenReport& report() const { return report_; }

 private:
  std::vector<int64_t> sequence_indices_;
  std::vector<int> depths_;  // now
  int64_t steps_ = 0;
  TokenReport report_;
};

}  // namespace lazyllm::engine
