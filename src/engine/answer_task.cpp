// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_task.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "engine/profiles.h"
#include "engine/step_statistics.h"

namespace lazyllm::engine {
namespace {

using Clock = AnswerTask::Clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

/// Layers that every token passes with all tokens before it in the set, whatever follows.
int exact_depth(const lazy::Policy& policy, int layers) {
  for (int layer = 1; layer < layers; ++layer) {
    if (policy.keep_after(layer, lazy::StepKind::prompt)) return layer;
  }
  return layers;
}

/// log(sum(exp(logits)))
double log_sum_exp(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(logit - top);
  return top + std::log(sum);
}

/// An answer ends where the context does.
AnswerRequest fit(AnswerRequest request, int64_t context) {
  const int64_t room = context - std::ssize(request.prompt) + 1;
  int64_t& most = request.generation.max_tokens;
  most = most < 0 ? room : std::min(most, room);
  return request;
}

}  // namespace

AnswerTask::AnswerTask(std::shared_ptr<const Model> model, AnswerRequest request,
                       lazy::CacheTypes cache_types, int64_t context,
                       std::shared_ptr<AnswerChannel> channel)
    : model_(std::move(model)),
      transformer_(model_->implementation().require_transformer()),
      request_(fit(std::move(request), context)),
      plan_(make_plan(request_.pruning, *model_)),
      cache_types_(cache_types),
      context_(context),
      channel_(std::move(channel)),
      writer_(model_->implementation().tokenizer.get(), request_.generation, request_.constraint),
      sequence_(transformer_, cache_types),
      part_(transformer_),
      conversation_(request_.prompt) {
  const bool dense = prompt_tokens() < plan_.min_prompt;
  policy_ = dense ? lazy::make_dense_policy() : lazy::create_policy(plan_);
  statistics_.policy = policy_->name();
  statistics_.schedule = policy_->name() == "dense" ? "" : lazy::to_string(plan_.schedule);
  statistics_.prompt_tokens = prompt_tokens();
}

int64_t AnswerTask::last_position() const {
  return std::min(context_, prompt_tokens() + request_.generation.max_tokens);
}

uint64_t AnswerTask::most_bytes() const {
  constexpr int64_t kGranule = kernels::kKvBlockSlots;
  const model::Hyperparameters& h = transformer_.hyperparameters();
  const int64_t tokens = (last_position() + kGranule - 1) / kGranule * kGranule;
  const auto row = static_cast<uint64_t>(h.hidden_size) * sizeof(float);
  const uint64_t hidden_rows = request_.use_cache ? 2 : 1;  // the Aux Cache's and the snapshot's
  const kernels::KvLayout layout{h.kv_heads, h.head_dim, cache_types_.k, cache_types_.v};
  const uint64_t kv = layout.block_bytes() / kGranule * static_cast<uint64_t>(h.layers);
  return static_cast<uint64_t>(tokens) * (kv + hidden_rows * row);
}

lazy::StepRequest AnswerTask::step_request() {
  lazy::StepRequest step;
  step.observer = this;
  step.protect_first = plan_.protect_first;
  const int64_t prompt = std::ssize(kept_);
  step.tail_begin = std::max<int64_t>(0, prompt - plan_.protect_last);
  step.tail_end = prompt;
  if (prompt == prompt_tokens()) step.protected_ranges = request_.generation.protected_ranges;
  step.revive_budget = plan_.revive_budget;
  return step;
}

void AnswerTask::start(SnapshotCache& snapshots, lazy::Stepper& editor,
                       const std::function<void()>& between_tiles) {
  queue_ms_ = milliseconds_since(submitted_);
  const lazy::PromptEditor prompt_editor{transformer_,
                                         editor,
                                         plan_.seed,
                                         plan_.protect_first,
                                         plan_.protect_last,
                                         request_.generation.protected_ranges,
                                         &channel_->cancelled(),
                                         [&](int, int, double) { between_tiles(); }};
  lazy::EditedPrompt edited = policy_->edit_prompt(request_.prompt, prompt_editor);
  kept_ = std::move(edited.kept);
  editing_pairs_ = edited.computed_pairs;
  for (const int32_t index : kept_) prompt_.push_back(request_.prompt[static_cast<size_t>(index)]);

  const int layers = transformer_.hyperparameters().layers;
  const int depth = exact_depth(*policy_, layers);
  const bool edits = policy_->edits_prompt() || editing_pairs_ > 0;
  if (request_.use_cache && !edits && snapshots.most_bytes() > 0) {
    // The queries of the last tokens make the score, so these are computed.
    const int64_t rest = std::max(1, policy_->score().window);
    const SnapshotCache::Match match =
        snapshots.find(prompt_, depth, std::max<int64_t>(0, std::ssize(prompt_) - rest));
    if (match.snapshot != nullptr) {
      match.snapshot->restore(match.tokens, sequence_);
      cached_tokens_ = match.tokens;
      cached_pairs_ = match.tokens * match.snapshot->depth();
    }
    snapshot_ = std::make_unique<lazy::Snapshot>(transformer_, depth);
    // A shallower one's rows stand at its own depth; those at ours are recorded when the step
    // reaches it.
    if (match.snapshot != nullptr && match.snapshot->depth() == depth) {
      snapshot_->inherit(*match.snapshot, match.tokens);
    }
  }

  lazy::StepRequest step = step_request();
  step.new_tokens = std::span(prompt_).subspan(static_cast<size_t>(cached_tokens_));
  step.kind = lazy::StepKind::prompt;
  step.first_query = 0;
  step.logits = [this](int64_t, std::span<const float> values) {
    logits_.assign(values.begin(), values.end());
  };
  part_.begin(sequence_, *policy_, step);
}

void AnswerTask::on_computed(int depth) {
  if (snapshot_ && depth == snapshot_->depth()) snapshot_->record(sequence_);
}

void AnswerTask::tell_progress() {
  channel_->push(PrefillProgress{prompt_tokens(), cached_tokens_, prefill_.share()});
}

bool AnswerTask::has_same_prefill(const AnswerTask& other) const {
  const auto range = [](const TokenRange& r) { return std::pair(r.begin, r.end); };
  return request_.use_cache && plan_.prefills_like(other.plan_) &&
         request_.prompt == other.request_.prompt &&
         std::ranges::equal(request_.generation.protected_ranges,
                            other.request_.generation.protected_ranges, {}, range, range);
}

void AnswerTask::share_prefill(const AnswerTask& other) {
  queue_ms_ = milliseconds_since(submitted_);
  kept_ = other.kept_;
  prompt_ = other.prompt_;
  logits_ = other.logits_;
  sequence_ = lazy::Sequence(other.sequence_);
  if (other.snapshot_) {
    snapshot_ = std::make_unique<lazy::Snapshot>(transformer_, other.snapshot_->depth());
    snapshot_->inherit(*other.snapshot_, other.snapshot_->size());
  }
  cached_tokens_ = prompt_tokens();
  for (int64_t token = 0; token < sequence_.size(); ++token) {
    cached_pairs_ += sequence_.depth(token);
  }
  finish_prefill(other.part_.report());
}

void AnswerTask::finish_prefill(const lazy::StepReport& report) {
  add_prompt_step(report, statistics_);
  statistics_.computed_fraction = computed_fraction();
  if (request_.report_tokens) {
    std::vector<int64_t> indices(request_.prompt.size(), -1);
    for (size_t i = 0; i < kept_.size(); ++i) {
      indices[static_cast<size_t>(kept_[i])] = static_cast<int64_t>(i);
    }
    depths_.emplace().start(sequence_, std::move(indices));
  }
  if (over()) {  // no token was asked for
    statistics_.total_ms = milliseconds_since(submitted_);
  } else {
    write_token();
  }
  statistics_.ttft_ms = statistics_.total_ms;
}

double AnswerTask::computed_fraction() const {
  uint64_t pairs = editing_pairs_;
  for (int64_t token = 0; token < std::ssize(kept_); ++token) {
    pairs += static_cast<uint64_t>(sequence_.depth(token));
  }
  return static_cast<double>(pairs - static_cast<uint64_t>(cached_pairs_)) /
         (static_cast<double>(prompt_tokens()) * transformer_.hyperparameters().layers);
}

void AnswerTask::begin_decode() {
  lazy::StepRequest step = step_request();
  step.new_tokens = std::span(&next_token_, 1);
  step.kind = lazy::StepKind::decode;
  step.logits = [this](int64_t, std::span<const float> values) {
    logits_.assign(values.begin(), values.end());
  };
  part_.begin(sequence_, *policy_, step);
}

void AnswerTask::finish_decode() {
  statistics_.revived_tokens += part_.report().revived;
  conversation_.push_back(next_token_);
  if (depths_) depths_->note_step(sequence_, part_.report().revived > 0);
  write_token();
}

void AnswerTask::write_token() {
  AnswerToken event;
  std::vector<TokenLogprob> top;
  double log_sum = 0.0;
  const bool wants_logprobs = request_.top_logprobs >= 0;
  std::vector<float> raw;
  if (wants_logprobs) {
    log_sum = log_sum_exp(logits_);
    event.top = best_tokens(log_sum);
    raw = logits_;  // a constraint changes them
  }
  AnswerWriter::Written written = writer_.write(logits_, conversation_);
  statistics_.total_ms = milliseconds_since(submitted_);
  ++statistics_.generated_tokens;
  next_token_ = written.token;
  event.token = written.token;
  event.text = std::move(written.text);
  if (wants_logprobs) {
    event.logprob = static_cast<float>(raw[static_cast<size_t>(written.token)] - log_sum);
  }
  channel_->push(std::move(event));
}

std::vector<TokenLogprob> AnswerTask::best_tokens(double log_sum) const {
  const auto count = std::min(static_cast<size_t>(request_.top_logprobs), logits_.size());
  if (count == 0) return {};
  std::vector<int32_t> order(logits_.size());
  std::iota(order.begin(), order.end(), 0);
  const auto better = [&](int32_t a, int32_t b) {
    const float la = logits_[static_cast<size_t>(a)], lb = logits_[static_cast<size_t>(b)];
    return la != lb ? la > lb : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<int64_t>(count), order.end(),
                    better);
  std::vector<TokenLogprob> top;
  for (size_t i = 0; i < count; ++i) {
    const float logit = logits_[static_cast<size_t>(order[i])];
    top.push_back({order[i], static_cast<float>(logit - log_sum)});
  }
  return top;
}

void AnswerTask::end(FinishReason reason, std::optional<Error> error, SnapshotCache& snapshots) {
  try {
    AnswerEnd event = last_event(reason, std::move(error));
    const bool sound = !event.error;
    if (snapshot_ && sound && snapshot_->size() > 0) {
      snapshot_->take(std::move(sequence_));
      snapshots.store(std::move(snapshot_));
    }
    channel_->push(std::move(event));
  } catch (const std::exception& failure) {
    abandon(Error(ErrorCode::internal, failure.what()));
  }
}

AnswerEnd AnswerTask::last_event(FinishReason reason, std::optional<Error> error) {
  AnswerEnd event;
  event.reason = reason;
  event.text = writer_.finish();
  if (statistics_.generated_tokens > 0) {
    statistics_.computed_fraction_end = computed_fraction();
    statistics_.kv_bytes = sequence_.kv_bytes();
    statistics_.aux_bytes = sequence_.aux_bytes();
  }
  if (statistics_.generated_tokens > 1) {
    statistics_.tpot_ms = (statistics_.total_ms - statistics_.ttft_ms) /
                          static_cast<double>(statistics_.generated_tokens - 1);
  }
  event.statistics = statistics_;
  event.cached_tokens = cached_tokens_;
  event.queue_ms = queue_ms_;
  if (depths_) event.tokens = depths_->report();
  event.error = std::move(error);
  return event;
}

void AnswerTask::abandon(const Error& error) noexcept {
  channel_->break_off(error);
}

SlotInfo AnswerTask::slot_info() const {
  SlotInfo info;
  info.busy = true;
  info.prompt_tokens = prompt_tokens();
  info.cached_tokens = cached_tokens_;
  info.generated_tokens = statistics_.generated_tokens;
  info.prefill_share = statistics_.generated_tokens > 0 ? 1.0 : prefill_.share();
  return info;
}

}  // namespace lazyllm::engine
