// SPDX-License-Identifier: Apache-2.0
#include "server/statistics_json.h"

#include <fmt/format.h>

#include <algorithm>

#include "text/unicode.h"

namespace lazyllm::server {
namespace {

double per_second(int64_t tokens, double milliseconds) {
  return milliseconds > 0.0 ? static_cast<double>(tokens) / milliseconds * 1e3 : 0.0;
}

/// Which way was taken, and what spoke for it.
Json plan_json(const AnswerEnd& end) {
  const PrefillPlan& plan = end.plan;
  const bool dense = end.statistics.policy == "dense";
  if (plan.free_order) {
    return {{"chosen", dense ? "dense" : end.statistics.policy},
            {"why", "documents are taken from where they were read alone"},
            {"cached_tokens", end.cached_tokens},
            {"cached_depth", plan.cached_depth}};
  }
  std::string why = dense ? "dense was asked for, or the prompt is short" : "pruning is sooner";
  if (plan.dense_instead) {
    why = fmt::format("dense is as soon and loses nothing: {} of {} tokens are in the cache",
                      plan.dense_cached_tokens, end.statistics.prompt_tokens);
  } else if (!dense && (!plan.pruned_ms || *plan.pruned_ms >= plan.dense_ms)) {
    why = "pruning was asked for";
  }
  Json json = {{"chosen", dense ? "dense" : end.statistics.policy},
               {"why", std::move(why)},
               {"cached_tokens", end.cached_tokens},
               {"cached_depth", plan.cached_depth}};
  if (plan.measured) {
    json["predicted_ms"] = {{"dense", plan.dense_ms},
                            {"asked", plan.pruned_ms ? Json(*plan.pruned_ms) : Json()}};
  }
  return json;
}

Json documents_json(const DocumentReuse& reuse) {
  return {{"order", "free"},
          {"documents", reuse.documents},
          {"stored_order", reuse.stored_order},
          {"read_now", reuse.read_now},
          {"moved", reuse.moved},
          {"moved_tokens", reuse.moved_tokens},
          {"recomputed_tokens", reuse.recomputed_tokens}};
}

}  // namespace

double work_ttft_ms(const AnswerEnd& end) {
  return std::max(end.statistics.ttft_ms - end.queue_ms, 0.0);
}

Json timings_json(const AnswerEnd& end) {
  const Statistics& s = end.statistics;
  const int64_t computed = s.prompt_tokens - end.cached_tokens;
  const double predicted_ms = s.total_ms - s.ttft_ms;
  // The first token comes out of the prefill, so one interval less than tokens.
  const int64_t intervals = std::max<int64_t>(s.generated_tokens - 1, 0);
  const auto each = [](double milliseconds, int64_t tokens) {
    return tokens > 0 ? milliseconds / static_cast<double>(tokens) : 0.0;
  };
  Json json = {{"cache_n", end.cached_tokens},
               {"prompt_n", computed},
               {"prompt_ms", work_ttft_ms(end)},
               {"prompt_per_token_ms", each(work_ttft_ms(end), computed)},
               {"prompt_per_second", per_second(computed, work_ttft_ms(end))},
               {"predicted_n", s.generated_tokens},
               {"predicted_ms", predicted_ms},
               {"predicted_per_token_ms", each(predicted_ms, intervals)},
               {"predicted_per_second", per_second(intervals, predicted_ms)},
               {"queue_ms", end.queue_ms}};
  if (s.draft_n > 0) {  // llama-server's, which tells them where something was drafted
    json["draft_n"] = s.draft_n;
    json["draft_n_accepted"] = s.draft_n_accepted;
  }
  return json;
}

Json lazy_json(const AnswerEnd& end, const ModelInfo& model, CostModel& cost) {
  const Statistics& s = end.statistics;
  const PrefillPlan& plan = end.plan;
  const CachedPrefix cached{end.cached_tokens, plan.cached_depth};
  const auto dense_estimate = [&](CachedPrefix found) {
    const auto estimate = cost.dense_ttft_ms(s, work_ttft_ms(end), cached, found);
    return estimate ? Json(*estimate) : Json();
  };
  const Json dense_ttft_ms = dense_estimate({});
  const Json dense_cached_ttft_ms =
      dense_estimate({plan.dense_cached_tokens, plan.dense_cached_depth});
  const PrefillOperations work = cost.work(s, cached);
  Json json = {{"policy", s.policy},
               {"schedule", s.schedule},
               {"attention", s.attention},
               {"attention_share", s.attention_share},
               {"layers", model.layers},
               {"computed_fraction", s.computed_fraction},
               {"computed_fraction_end", s.computed_fraction_end},
               {"kept_per_layer", s.kept_per_layer},
               {"shared_kv_saved", s.shared_kv_saved},
               {"revived_tokens", s.revived_tokens},
               {"ttft_ms", work_ttft_ms(end)},
               {"dense_ttft_ms_estimate", dense_ttft_ms},
               {"dense_cached_ttft_ms_estimate", dense_cached_ttft_ms},
               {"cached_tokens", end.cached_tokens},
               {"plan", plan_json(end)},
               {"prefill",
                {{"linear_operations", work.linear},
                 {"attention_operations", work.attention},
                 {"linear_ms", s.linear_ms},
                 {"attention_ms", s.attention_ms},
                 {"pruning_ms", s.pruning_ms},
                 {"head_ms", s.head_ms}}}};
  if (end.documents) json["documents"] = documents_json(*end.documents);
  return json;
}

Json tokens_json(const Model& model, std::span<const TokenId> prompt, const TokenReport& report) {
  Json revived = Json::array();
  for (const TokenReport::Revival& revival : report.revivals) {
    revived.push_back({revival.step, revival.token, revival.depth});
  }
  return {{"pieces", text_pieces(model, prompt)},
          {"depths", report.depths},
          {"revived", std::move(revived)}};
}

std::vector<std::string> text_pieces(const Model& model, std::span<const TokenId> tokens) {
  std::vector<std::string> pieces;
  pieces.reserve(tokens.size());
  std::string pending;
  for (size_t i = 0; i < tokens.size(); ++i) {
    pending += model.piece(tokens[i], /*special=*/true);
    const size_t held = i + 1 == tokens.size() ? 0 : text::incomplete_utf8_suffix(pending);
    pieces.push_back(
        text::replace_invalid_utf8(std::string_view(pending).substr(0, pending.size() - held)));
    pending.erase(0, pending.size() - held);
  }
  return pieces;
}

}  // namespace lazyllm::server
