// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "lazyllm/evaluation/task.h"

namespace lazyllm::evaluation {

/// Reads DIR/TASK.jsonl of LongBench v1 for each task (all files there if none is named) with DIR's
/// dataset2prompt.json, dataset2maxlen.json and, for tasks that are not LongBench's own,
/// dataset2metric.json. `limit` records of each, 0: all.
/// Errors: Error(usage) for an unknown task, Error(io | invalid_file) with file and line.
std::vector<Task> read_longbench(const std::filesystem::path& folder,
                                 const std::vector<std::string>& tasks, int64_t limit);

}  // namespace lazyllm::evaluation
