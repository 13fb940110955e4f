// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <ctime>
#include <map>
#include <mutex>
#include <string>

#include "lazyllm/scheduler.h"

namespace lazyllm::server {

/// Counts in rising bounds, in Prometheus' sense.
class Histogram {
 public:
  void add(double seconds);
  void write(std::string& out, const std::string& name, const std::string& help) const;

 private:
  static constexpr std::array<double, 14> kBounds = {0.005, 0.01, 0.025, 0.05, 0.1,  0.25, 0.5,
                                                     1.0,   2.5,  5.0,   10.0, 30.0, 60.0, 120.0};
  std::array<uint64_t, kBounds.size() + 1> counts_{};
  double sum_ = 0.0;
};

/// What /metrics tells beside the scheduler's totals. Thread-safe.
class Metrics {
 public:
  void count_response(const std::string& path, int status, double seconds);
  void count_answer(const AnswerEnd& end);
  void count_gone_client();

  std::time_t start() const { return start_; }
  /// Everything in Prometheus' text format. What llama-server has too stands there under its names
  /// as well, with its meaning.
  std::string text(const SchedulerMetrics& scheduler) const;

 private:
  const std::time_t start_ = std::time(nullptr);
  mutable std::mutex mutex_;
  std::map<std::pair<std::string, int>, uint64_t> responses_;  // by path and status
  uint64_t gone_clients_ = 0;
  int64_t most_tokens_ = 0;
  Histogram first_token_, per_token_, queue_, request_;
};

}  // namespace lazyllm::server
