// SPDX-License-Identifier: Apache-2.0
#include "eval_suites.h"
#include "lazyllm/evaluation/longbench.h"

namespace lazyllm::cli {

std::vector<evaluation::Task> longbench_tasks(const EvalOptions& options) {
  return evaluation::read_longbench(options.data, options.tasks, options.limit);
}

}  // namespace lazyllm::cli
