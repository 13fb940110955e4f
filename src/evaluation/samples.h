// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "lazyllm/lazyllm.h"

namespace lazyllm::evaluation {

/// What every sample of every suite holds: docs/evaluation.md.
struct Sample {
  std::string suite, task, category, id;
  std::string arm, policy;
  Statistics statistics;
  std::string prediction;
  double score = 0.0;
  std::optional<double> answer_loglik;
  std::string key;  ///< samples with the same are the same
};
nlohmann::ordered_json to_json(const Sample& sample);

/// DIR/samples.jsonl: one JSON object a line, on disk as soon as it is there. What an earlier
/// run wrote with the same settings is found again, so that an interrupted run goes on.
class Samples {
 public:
  using Json = nlohmann::ordered_json;

  /// Makes the folder. A last line cut short by an interruption is dropped.
  /// Errors: Error(io) when it cannot be written; Error(invalid_file) with the line for a file that
  /// holds anything else, which is left as it is.
  explicit Samples(const std::filesystem::path& folder);

  /// The line with this key, or null.
  const Json* find(const std::string& key) const;
  /// Writes a line; it must hold a text "key".
  void add(const Json& sample);
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::map<std::string, Json> known_;
  std::ofstream out_;
};

}  // namespace lazyllm::evaluation
