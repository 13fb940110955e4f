// SPDX-License-Identifier: Apache-2.0
#include "stats_json.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "terminal.h"
#include "this_cluster.h"

namespace lazyllm::cli {
namespace {

[[noreturn]] void refuse(const std::string& path) {
  throw Error(ErrorCode::io,
              fmt::format("cannot write {}: {}; check the folder and its permissions", path,
                          std::strerror(errno != 0 ? errno : EIO)));
}

}  // namespace

StatsFile::StatsFile(const std::string& path) : path_(path) {
  if (path_.empty()) return;
  errno = 0;
  if (!std::ofstream(path_, std::ios::app)) refuse(path_);
}

void StatsFile::write(const Model& model, const Statistics& s, double load_ms,
                      const std::vector<int32_t>& depths) const {
  if (path_.empty()) return;
  const ModelInfo info = model.info();
  nlohmann::ordered_json json = {
      {"model", info.path},
      {"policy", s.policy},
      {"schedule", s.schedule},
      {"attention", s.attention},
      {"attention_share", s.attention_share},
      {"threads", info.threads},
      {"isa", info.isa},
      {"version", version()},
      {"prompt_tokens", s.prompt_tokens},
      {"generated_tokens", s.generated_tokens},
      {"load_ms", load_ms},
      {"ttft_ms", s.ttft_ms},
      {"tpot_ms", s.tpot_ms},
      {"total_ms", s.total_ms},
      {"computed_fraction", s.computed_fraction},
      {"computed_fraction_end", s.computed_fraction_end},
      {"computed_by_step", s.computed_by_step},
      {"kept_per_layer", s.kept_per_layer},
      {"shared_kv_saved", s.shared_kv_saved},
      {"revived_tokens", s.revived_tokens},
      {"draft_n", s.draft_n},
      {"draft_n_accepted", s.draft_n_accepted},
      {"kv_bytes", s.kv_bytes},
      {"aux_bytes", s.aux_bytes},
      {"peak_rss_bytes", peak_rss_bytes()},
      {"linear_ms", s.linear_ms},
      {"attention_ms", s.attention_ms},
      {"pruning_ms", s.pruning_ms},
      {"head_ms", s.head_ms},
  };
  if (!depths.empty()) json["depths"] = depths;
  if (!s.links.empty()) json["links"] = links_json(s);
  errno = 0;
  std::ofstream file(path_, std::ios::trunc);
  file << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << '\n';
  file.flush();
  if (!file) refuse(path_);
}

std::string summary(const Statistics& s, const std::string& wanted) {
  std::string text;
  constexpr double kNearlyAll = 0.999;  // a dense run computes all that the library does not have
  if (s.policy == "dense" && s.computed_fraction < kNearlyAll) {
    text = fmt::format("{} tokens, of which {:.0f} % were read before: nothing skipped.",
                       s.prompt_tokens, 100.0 * (1.0 - s.computed_fraction));
  } else if (s.policy == "dense" && wanted != "dense") {
    text = fmt::format("Short prompt ({} tokens): nothing skipped.", s.prompt_tokens);
  } else if (s.policy == "dense") {
    text = fmt::format("Read all of {} tokens.", s.prompt_tokens);
  } else {
    text = fmt::format("Read {} tokens with {:.0f} % of the usual work.", s.prompt_tokens,
                       100.0 * s.computed_fraction);
  }
  text += fmt::format(" First word after {:.1f} s", s.ttft_ms / 1e3);
  if (s.generated_tokens > 1 && s.tpot_ms > 0.0) {
    text += fmt::format(", then {:.0f} tokens/s", 1e3 / s.tpot_ms);
  }
  return text + ". (details: --verbose)\n";
}

std::string details(const Statistics& s, double load_ms) {
  const std::string schedule = s.schedule.empty() ? "" : " " + s.schedule;
  std::string drafts;
  if (s.draft_n > 0) {
    drafts = fmt::format("[drafts] {} tokens guessed, {} of them right\n", s.draft_n,
                         s.draft_n_accepted);
  }
  return fmt::format(
             "[{}{}] {} prompt tokens, {:.1f} % of the (token, layer) pairs computed, {:.1f} % at "
             "the "
             "end\n"
             "[time] load {:.0f} ms, first token {:.0f} ms, then {:.1f} ms per token ({} "
             "generated), "
             "total {:.0f} ms; K,V {:.1f} MiB, Aux Cache {:.1f} MiB\n",
             s.policy, schedule, s.prompt_tokens, s.computed_fraction * 100.0,
             s.computed_fraction_end * 100.0, load_ms, s.ttft_ms, s.tpot_ms, s.generated_tokens,
             s.total_ms, static_cast<double>(s.kv_bytes) / (1 << 20),
             static_cast<double>(s.aux_bytes) / (1 << 20)) +
         drafts + describe_links(s);
}

}  // namespace lazyllm::cli
