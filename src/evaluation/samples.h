// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "base/json_object.h"
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
/// That a line read back has the numbers of to_json() which tables are made of.
/// Errors: Error(invalid_file) naming line and field.
void check_sample(const JsonObject& line);

/// DIR/samples.jsonl: one JSON object a line, on disk as soon as it is there. What an earlier
/// run wrote with the same settings is found again, so that an interrupted run goes on.
class Samples {
 public:
  using Json = nlohmann::ordered_json;

  /// Makes the folder. A last line cut short by an interruption is dropped.
  /// Errors: Error(io) when it cannot be written; Error(invalid_file) with the line for a file that
  /// holds anything else, which is left as it is.
  explicit Samples(const std::filesystem::path& folder);

  /// The line with this key, or null. `check`: says what of it will be read; the object's where()
  /// is "FILE:LINE". Errors: those of `check`, for a line that somebody edited.
  const Json* find(const std::string& key,
                   const std::function<void(const JsonObject&)>& check) const;
  /// Writes a line; it must hold a text "key".
  void add(const Json& sample);
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  struct Line {
    Json json;
    int64_t number = 0;  ///< in the file; 0: of this run
  };
  std::map<std::string, Line> known_;
  std::ofstream out_;
};

}  // namespace lazyllm::evaluation
