// SPDX-License-Identifier: Apache-2.0
#include "evaluation/tables.h"

#include <fmt/format.h>

#include <cmath>
#include <map>

#include "lazyllm/evaluation/divergence.h"

namespace lazyllm::evaluation {
namespace {

using Json = nlohmann::ordered_json;

/// Mean of a number over the samples that have it.
double mean(const std::vector<Json>& samples, const char* name) {
  double sum = 0.0;
  int64_t count = 0;
  for (const Json& sample : samples) {
    if (!sample.at(name).is_number()) continue;
    sum += sample.at(name).get<double>();
    ++count;
  }
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

std::string times(const std::vector<Json>& dense, const std::vector<Json>& arm, const char* name) {
  return fmt::format("{:.2f}x", mean(dense, name) / mean(arm, name));
}

}  // namespace

std::string score_table(const std::vector<TaskSamples>& tasks, const std::vector<Arm>& arms) {
  std::string out =
      "| task | metric | n | policy | score | answer log-likelihood | as dense, tokens | TTFT ms | "
      "TTFT to dense | total to dense | computed | at the end |\n"
      "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const TaskSamples& task : tasks) {
    for (size_t i = 0; i < arms.size(); ++i) {
      const std::vector<Json>& samples = task.arms[i];
      out += fmt::format(
          "| {} | {} | {} | {} | {:.2f} | {:.3f} | {:.1f} of {:.1f} | {:.0f} | {} | {} | {:.3f} | "
          "{:.3f} |\n",
          task.name, task.metric, samples.size(), arms[i].name, 100.0 * mean(samples, "score"),
          mean(samples, "answer_loglik"), mean(samples, "dense_prefix"),
          mean(task.arms[0], "generated_tokens"), mean(samples, "ttft_ms"),
          times(task.arms[0], samples, "ttft_ms"), times(task.arms[0], samples, "total_ms"),
          mean(samples, "computed_fraction"), mean(samples, "computed_fraction_end"));
    }
  }
  return out;
}

std::string needle_grids(const std::vector<TaskSamples>& tasks, const std::vector<Arm>& arms) {
  std::string out;
  for (const TaskSamples& task : tasks) {
    for (size_t i = 0; i < arms.size(); ++i) {
      std::map<int64_t, std::map<double, std::vector<Json>>> cells;
      for (const Json& sample : task.arms[i]) {
        cells[sample.at("length").get<int64_t>()][sample.at("depth").get<double>()].push_back(
            sample);
      }
      if (cells.empty()) continue;
      out +=
          fmt::format("{}, {}: % found by prompt tokens and depth\n\n| |", task.name, arms[i].name);
      std::string line = "|---:|";
      for (const auto& [depth, unused] : cells.begin()->second) {
        out += fmt::format(" {} % |", depth);
        line += "---:|";
      }
      out += "\n" + line + "\n";
      for (const auto& [length, depths] : cells) {
        out += fmt::format("| {} |", length);
        for (const auto& [unused, cell] : depths) {
          out += fmt::format(" {:.0f} |", 100.0 * mean(cell, "score"));
        }
        out += "\n";
      }
      out += "\n";
    }
  }
  return out;
}

std::string text_table(const std::vector<TaskSamples>& tasks, const std::vector<Arm>& arms) {
  std::string out =
      "| text | positions | policy | perplexity | to dense | KL mean | 50 % | 90 % | 95 % | 99 % | "
      "same top | RMS of probability change | TTFT ms | TTFT to dense | computed | at the end |\n"
      "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n";
  for (const TaskSamples& task : tasks) {
    const double dense_nll = mean(task.arms[0], "nll");
    for (size_t i = 0; i < arms.size(); ++i) {
      const std::vector<Json>& samples = task.arms[i];
      std::vector<double> kl;
      double squares = 0.0;  // every window has as many positions
      for (const Json& sample : samples) {
        for (const Json& value : sample.at("kl")) kl.push_back(value.get<double>());
        squares += std::pow(sample.at("probability_change_rms").get<double>(), 2.0);
      }
      const auto at = [&](double percent) { return percentile(kl, percent); };
      const double nll = mean(samples, "nll");
      out += fmt::format(
          "| {} | {} | {} | {:.3f} | {:.4f} | {:.5f} | {:.5f} | {:.5f} | {:.5f} | {:.5f} | {:.2f} "
          "% | {:.4f} | {:.0f} | {} | {:.3f} | {:.3f} |\n",
          task.name, kl.size(), arms[i].name, std::exp(nll), std::exp(nll - dense_nll),
          mean(samples, "kl_mean"), at(50), at(90), at(95), at(99),
          100.0 * mean(samples, "same_top"),
          std::sqrt(squares / static_cast<double>(samples.size())), mean(samples, "ttft_ms"),
          times(task.arms[0], samples, "ttft_ms"), mean(samples, "computed_fraction"),
          mean(samples, "computed_fraction_end"));
    }
  }
  return out;
}

}  // namespace lazyllm::evaluation
