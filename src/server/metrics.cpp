// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>

namespace lazyllm::server {
namespace {

void write_value(std::string& out, const char* name, const char* type, const char* help,
                 double value) {
  out += fmt::format("# HELP lazyllm:{0} {1}\n# TYPE lazyllm:{0} {2}\nlazyllm:{0} {3}\n", name,
                     help, type, value);
}

double ratio(double a, double b) {
  return b > 0.0 ? a / b : 0.0;
}

/// The names that dashboards for llama-server ask for.
void write_for_llama_dashboards(std::string& out, const SchedulerMetrics& m, int64_t most_tokens) {
  const auto write = [&](const char* name, const char* type, const char* help, auto value) {
    out += fmt::format("# HELP llamacpp:{0} {1}\n# TYPE llamacpp:{0} {2}\nllamacpp:{0} {3}\n", name,
                       help, type, static_cast<double>(value));
  };
  const uint64_t computed = m.prompt_tokens - std::min(m.cached_tokens, m.prompt_tokens);
  write("prompt_tokens_total", "counter", "Computed tokens of prompts.", computed);
  write("prompt_tokens_cached_total", "counter", "Tokens of prompts that came from a snapshot.",
        m.cached_tokens);
  write("prompt_seconds_total", "counter", "Time spent on prompts.", m.prefill_seconds);
  write("tokens_predicted_total", "counter", "Tokens written.", m.generated_tokens);
  write("tokens_predicted_seconds_total", "counter", "Time spent on writing.", m.decode_seconds);
  write("n_decode_total", "counter", "Decode steps.", m.decode_steps);
  write("n_tokens_max", "counter", "Most tokens of one answer with its prompt.", most_tokens);
  write("prompt_tokens_seconds", "gauge", "Computed prompt tokens per second.",
        ratio(static_cast<double>(computed), m.prefill_seconds));
  write("predicted_tokens_seconds", "gauge", "Written tokens per second.",
        ratio(static_cast<double>(m.generated_tokens), m.decode_seconds));
  write("requests_processing", "gauge", "Answers in work.", m.running);
  write("requests_deferred", "gauge", "Answers that wait.", m.waiting);
  write("n_busy_slots_per_decode", "gauge", "Answers that share a decode step.",
        ratio(static_cast<double>(m.decode_rows), static_cast<double>(m.decode_steps)));
  for (const char* name : {"spec_decode_num_draft_tokens_total",
                           "spec_decode_num_accepted_tokens_total", "spec_decode_num_drafts_total"})
    write(name, "counter", "Always 0: no tokens are drafted here.", 0);
}

void write_scheduler(std::string& out, const SchedulerMetrics& m) {
  const auto counter = [&](const char* name, const char* help, auto value) {
    write_value(out, name, "counter", help, static_cast<double>(value));
  };
  const auto gauge = [&](const char* name, const char* help, auto value) {
    write_value(out, name, "gauge", help, static_cast<double>(value));
  };
  const auto prompt =
      static_cast<double>(m.prompt_tokens - std::min(m.cached_tokens, m.prompt_tokens));
  counter("requests_total", "Answers asked for.", m.requests);
  counter("requests_refused_total",
          "Answers refused because the queue was full or they could never fit.", m.refused);
  counter("requests_cancelled_total", "Answers that ended because nobody waited for them.",
          m.cancelled);
  counter("prompt_tokens_total", "Tokens of prompts.", m.prompt_tokens);
  counter("prompt_tokens_cached_total", "Tokens of prompts that came from a snapshot.",
          m.cached_tokens);
  counter("prompt_seconds_total", "Time spent on prompts.", m.prefill_seconds);
  counter("tokens_predicted_total", "Tokens written.", m.generated_tokens);
  counter("tokens_predicted_seconds_total", "Time spent on writing.", m.decode_seconds);
  counter("n_decode_total", "Decode steps.", m.decode_steps);
  counter("pairs_computed_total", "(token, layer) pairs of prompts that were computed.",
          m.computed_pairs);
  counter("pairs_dense_total", "(token, layer) pairs that dense prefills would have computed.",
          m.dense_pairs);
  counter("snapshot_hits_total", "Prompts that started from a snapshot.", m.snapshot_hits);
  gauge("prompt_tokens_seconds", "Computed prompt tokens per second.",
        ratio(prompt, m.prefill_seconds));
  gauge("predicted_tokens_seconds", "Written tokens per second.",
        ratio(static_cast<double>(m.generated_tokens), m.decode_seconds));
  gauge("n_busy_slots_per_decode", "Answers that share a decode step.",
        ratio(static_cast<double>(m.decode_rows), static_cast<double>(m.decode_steps)));
  gauge("requests_processing", "Answers in work.", m.running);
  gauge("requests_deferred", "Answers that wait.", m.waiting);
  gauge("kv_bytes_reserved", "Keys, values and hidden rows promised to answers in work.",
        m.kv_bytes_reserved);
  gauge("kv_bytes_total", "Size of the pool of keys, values and hidden rows.", m.kv_bytes_total);
  gauge("snapshots", "Snapshots of prompts held.", m.snapshots);
  counter("snapshots_deepened_total", "Snapshots carried to all layers in idle time.",
          m.deepened_snapshots);
  counter("snapshot_tokens_deepened_total", "Their tokens.", m.deepened_tokens);
  gauge("deepening_share", "Share done of the snapshot in work; 0: none is.", m.deepening_share);
  gauge("snapshot_bytes", "Their size.", m.snapshot_bytes);
  gauge("settled", "1: nothing is left to do, in idle time either.", m.settled ? 1 : 0);
}

}  // namespace

void Histogram::add(double seconds) {
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  ++counts_[static_cast<size_t>(bound - kBounds.begin())];
  sum_ += seconds;
}

void Histogram::write(std::string& out, const std::string& name, const std::string& help) const {
  out += fmt::format("# HELP lazyllm:{0} {1}\n# TYPE lazyllm:{0} histogram\n", name, help);
  uint64_t count = 0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    count += counts_[i];
    const std::string bound = i < kBounds.size() ? fmt::format("{}", kBounds[i]) : "+Inf";
    out += fmt::format("lazyllm:{}_bucket{{le=\"{}\"}} {}\n", name, bound, count);
  }
  out += fmt::format("lazyllm:{0}_sum {1}\nlazyllm:{0}_count {2}\n", name, sum_, count);
}

void Metrics::count_response(const std::string& path, int status, double seconds) {
  const std::lock_guard lock(mutex_);
  ++responses_[{path, status}];
  request_.add(seconds);
}

void Metrics::count_answer(const AnswerEnd& end) {
  const Statistics& s = end.statistics;
  const std::lock_guard lock(mutex_);
  most_tokens_ = std::max(most_tokens_, s.prompt_tokens + s.generated_tokens);
  queue_.add(end.queue_ms / 1e3);
  if (s.generated_tokens > 0) first_token_.add(std::max(s.ttft_ms - end.queue_ms, 0.0) / 1e3);
  if (s.generated_tokens > 1) per_token_.add(s.tpot_ms / 1e3);
}

void Metrics::count_gone_client() {
  const std::lock_guard lock(mutex_);
  ++gone_clients_;
}

std::string Metrics::text(const SchedulerMetrics& scheduler) const {
  std::string out;
  write_scheduler(out, scheduler);
  const std::lock_guard lock(mutex_);
  write_for_llama_dashboards(out, scheduler, most_tokens_);
  write_value(out, "n_tokens_max", "gauge", "Most tokens of one answer with its prompt.",
              static_cast<double>(most_tokens_));
  write_value(out, "clients_gone_total", "counter",
              "Clients that left before their answer was complete.",
              static_cast<double>(gone_clients_));
  out +=
      "# HELP lazyllm:http_responses_total Responses by path (empty: unknown) and status.\n"
      "# TYPE lazyllm:http_responses_total counter\n";
  for (const auto& [key, count] : responses_) {
    out += fmt::format("lazyllm:http_responses_total{{path=\"{}\",status=\"{}\"}} {}\n", key.first,
                       key.second, count);
  }
  first_token_.write(out, "time_to_first_token_seconds",
                     "From the start of work on a prompt to its first token.");
  per_token_.write(out, "time_per_token_seconds", "Mean time of the further tokens of an answer.");
  queue_.write(out, "queue_seconds", "Wait before the work on a prompt began.");
  request_.write(out, "http_request_seconds", "From a request's head to the last byte sent.");
  return out;
}

}  // namespace lazyllm::server
