// SPDX-License-Identifier: Apache-2.0
#include "bench_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

namespace lazyllm::cli {
namespace {

using Json = nlohmann::ordered_json;

/// What is not known is NaN, which is written as null.
double number(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}

/// Most frequent tensor type that is not a vector's.
std::string main_type(const ModelInfo& info) {
  std::string best;
  int count = 0;
  for (const auto& [type, tensors] : info.tensor_types) {
    if ((type != "F32" || info.tensor_types.size() == 1) && tensors > count) {
      best = type;
      count = tensors;
    }
  }
  return best;
}

Json to_json(const BenchRow& row) {
  return {{"model", std::filesystem::path(row.model.path).filename().string()},
          {"type", main_type(row.model)},
          {"size_bytes", row.model.file_bytes},
          {"parameters", row.model.parameters},
          {"isa", row.model.isa},
          {"threads", row.model.threads},
          {"test", row.test},
          {"policy", row.policy},
          {"schedule", row.schedule},
          {"t_s", row.tokens_per_second.mean},
          {"t_s_stddev", row.tokens_per_second.deviation},
          {"ms", row.milliseconds.mean},
          {"ms_stddev", row.milliseconds.deviation},
          {"computed_fraction", row.computed_fraction},
          {"computed_fraction_end", row.computed_fraction_end},
          {"share_of_roofline", number(row.share_of_roofline)},
          {"speedup", number(row.speedup)},
          {"cost_model_speedup", number(row.cost_model_speedup)},
          {"share_of_cost_model", number(row.speedup) / number(row.cost_model_speedup)},
          {"pruning_share", number(row.overhead)},
          {"machine_int8_gops", row.machine.int8_gops},
          {"machine_bf16_gflops", row.machine.bf16_gflops},
          {"machine_fp32_gflops", row.machine.fp32_gflops},
          {"machine_read_gb_s", row.machine.read_gigabytes}};
}

std::string csv(const std::vector<BenchRow>& rows) {
  std::string out;
  for (const BenchRow& row : rows) {
    const Json json = to_json(row);
    std::string head, line;
    for (const auto& [key, value] : json.items()) {
      head += (head.empty() ? "" : ",") + key;
      // Strings keep JSON's quotes, with a quote inside doubled as CSV wants it.
      std::string cell = value.dump();
      if (cell == "null") cell.clear();
      for (size_t at = cell.find("\\\""); at != std::string::npos; at = cell.find("\\\"", at + 2)) {
        cell.replace(at, 2, "\"\"");
      }
      line += (line.empty() ? "" : ",") + cell;
    }
    if (out.empty()) out = head + "\n";
    out += line + "\n";
  }
  return out;
}

std::string percent(const std::optional<double>& share) {
  return share ? fmt::format("{:.1f} %", 100.0 * *share) : std::string();
}

std::string times(const std::optional<double>& factor) {
  return factor ? fmt::format("{:.2f}x", *factor) : std::string();
}

std::string limit(double value, const char* unit) {
  return value > 0.0 ? fmt::format("{:.0f} {}", value, unit) : std::string("not measured");
}

std::string markdown(const std::vector<BenchRow>& rows) {
  if (rows.empty()) return {};
  const MachineLimits& machine = rows.front().machine;
  std::string out =
      fmt::format("Machine at {}, {} threads: int8 {}, bf16 {}, fp32 {}, memory read {}\n\n",
                  rows.front().model.isa, rows.front().model.threads,
                  limit(machine.int8_gops, "GOP/s"), limit(machine.bf16_gflops, "GFLOP/s"),
                  limit(machine.fp32_gflops, "GFLOP/s"), limit(machine.read_gigabytes, "GB/s"));
  out +=
      "| model | size | params | isa | threads | policy | test | t/s | ms | computed | of roofline "
      "| to dense | cost model | pruning |\n"
      "| --- | ---: | ---: | --- | ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | "
      "---: |\n";
  for (const BenchRow& row : rows) {
    out += fmt::format(
        "| {} {} | {:.2f} MiB | {:.2f} M | {} | {} | {} | {} | {:.2f} ± {:.2f} | {:.2f} ± {:.2f} | "
        "{} | {} | {} | {} | {} |\n",
        row.model.architecture, main_type(row.model),
        static_cast<double>(row.model.file_bytes) / (1 << 20),
        static_cast<double>(row.model.parameters) / 1e6, row.model.isa, row.model.threads,
        row.schedule.empty() ? row.policy : row.policy + " " + row.schedule, row.test,
        row.tokens_per_second.mean, row.tokens_per_second.deviation, row.milliseconds.mean,
        row.milliseconds.deviation,
        row.computed_fraction_end > row.computed_fraction
            ? fmt::format("{:.3f} to {:.3f}", row.computed_fraction, row.computed_fraction_end)
            : fmt::format("{:.3f}", row.computed_fraction),
        percent(row.share_of_roofline), times(row.speedup), times(row.cost_model_speedup),
        percent(row.overhead));
  }
  return out;
}

}  // namespace

Measured measured(const std::vector<double>& values) {
  Measured result;
  if (values.empty()) return result;
  for (const double value : values) result.mean += value / static_cast<double>(values.size());
  if (values.size() < 2) return result;
  double squares = 0.0;
  for (const double value : values) squares += (value - result.mean) * (value - result.mean);
  result.deviation = std::sqrt(squares / static_cast<double>(values.size() - 1));
  return result;
}

std::string format_rows(const std::vector<BenchRow>& rows, const std::string& format) {
  if (format == "csv") return csv(rows);
  if (format == "md") return markdown(rows);
  Json array = Json::array();
  for (const BenchRow& row : rows) array.push_back(to_json(row));
  return array.dump(2) + "\n";
}

}  // namespace lazyllm::cli
