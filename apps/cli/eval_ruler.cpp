// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "eval_suites.h"
#include "lazyllm/evaluation/ruler.h"
#include "lazyllm/evaluation/texts.h"

namespace lazyllm::cli {
namespace {

namespace fs = std::filesystem;

/// DIR/TASK.jsonl or, as RULER's own scripts write it, DIR/TASK/validation.jsonl.
std::optional<fs::path> samples_of(const fs::path& folder, const std::string& task) {
  for (const fs::path& path : {folder / (task + ".jsonl"), folder / task / "validation.jsonl"}) {
    if (fs::exists(path)) return path;
  }
  return std::nullopt;
}

std::vector<fs::path> sample_files(const EvalOptions& options) {
  const fs::path data = options.data;
  if (data.extension() == ".jsonl") return {data};
  std::vector<fs::path> files;
  if (!options.tasks.empty()) {
    for (const std::string& task : options.tasks) {
      if (const auto path = samples_of(data, task)) files.push_back(*path);
    }
    return files;
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(data, error)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path());
    const fs::path inside = entry.path() / "validation.jsonl";
    if (entry.is_directory(error) && fs::exists(inside)) files.push_back(inside);
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// The text that --haystack names, or what lies beside the templates.
std::string essay(const EvalOptions& options, const fs::path& folder) {
  if (!options.haystack.empty())
    return evaluation::joined(evaluation::read_texts("--haystack", options.haystack));
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".txt")
      return evaluation::joined(evaluation::read_texts("--data", folder));
  }
  return "";
}

}  // namespace

std::vector<evaluation::Task> ruler_tasks(const EvalOptions& options,
                                          const evaluation::PromptBuilder& prompts) {
  std::vector<evaluation::Task> tasks;
  const std::vector<fs::path> files = sample_files(options);
  for (const fs::path& file : files) {
    tasks.push_back(evaluation::read_ruler_task(file, options.limit));
  }
  if (fs::path(options.data).extension() == ".jsonl") {
    for (const std::string& wanted : options.tasks) {
      if (wanted == tasks.front().name) continue;
      throw Error(ErrorCode::usage, fmt::format("task {}: {} holds task {} only", wanted,
                                                options.data, tasks.front().name));
    }
    return tasks;
  }
  if (!files.empty() && (options.tasks.empty() || files.size() == options.tasks.size())) {
    return tasks;
  }

  evaluation::RulerOptions ruler;
  for (const std::string& task : options.tasks) {
    if (!samples_of(options.data, task)) ruler.tasks.push_back(task);
  }
  if (options.max_length > 0) {
    prompts.check_length("--max-length", options.max_length);
    ruler.max_length = options.max_length;
  }
  if (options.limit > 0) ruler.samples = options.limit;
  ruler.seed = options.seed(ruler.seed);
  const fs::path data = options.data;
  const fs::path templates = fs::is_directory(data) ? data / "templates.json" : data;
  if (!ruler.tasks.empty() && !fs::exists(templates)) {
    throw Error(ErrorCode::usage,
                fmt::format("task {}: there is neither {}.jsonl nor {} to make "
                            "it from",
                            ruler.tasks.front(), (data / ruler.tasks.front()).string(),
                            templates.string()));
  }
  const auto made =
      evaluation::make_ruler_tasks(ruler, evaluation::read_ruler_templates(templates),
                                   essay(options, templates.parent_path()), prompts.counter());
  tasks.insert(tasks.end(), made.begin(), made.end());
  return tasks;
}

}  // namespace lazyllm::cli
