// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_task.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/log_softmax.h"
#include "engine/profiles.h"
#include "engine/sequence_bytes.h"
#include "engine/snapshot_start.h"
#include "engine/token_logprobs.h"

namespace lazyllm::engine {
namespace {

constexpr int64_t kLeastAlike = 64;  // tokens

double milliseconds_since(AnswerTask::Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(AnswerTask::Clock::now() - start).count();
}

/// An answer ends where the context does.
AnswerRequest fit(AnswerRequest request, int64_t context) {
  const int64_t room = context - std::ssize(request.prompt) + 1;
  int64_t& most = request.generation.max_tokens;
  most = most < 0 ? room : std::min(most, room);
  return request;
}

/// What would be ignored, or could not be done, is refused.
void check_free_order(const AnswerRequest& request, const lazy::PruningPlan& plan) {
  if (lazy::create_policy(plan)->edits_prompt()) {
    fail(ErrorCode::usage,
         "documents in free order cannot go with policy {}, which leaves out parts of them before "
         "the model reads; take policy lazy or dense",
         plan.policy_name);
  }
  if (plan.attention.sparse) {
    fail(ErrorCode::usage,
         "documents in free order attend densely; write \"attention\": \"dense\" for them");
  }
  if (!request.use_cache || request.prompt_logprobs >= 0 || request.pooling != Pooling::none) {
    fail(ErrorCode::usage,
         "documents in free order are taken from the cache, which this request does not use");
  }
  if (request.recomputed_tokens < 0) {
    fail(ErrorCode::usage, "recompute {}: must be 0 or more", request.recomputed_tokens);
  }
  int64_t end = 0;
  for (const TokenRange& range : request.free_documents) {
    if (range.begin < end || range.end < range.begin || range.end > std::ssize(request.prompt)) {
      fail(ErrorCode::usage, "documents must be rising, disjoint ranges of the prompt");
    }
    end = range.end;
  }
}

}  // namespace

AnswerTask::AnswerTask(std::shared_ptr<const Model> model, AnswerRequest request,
                       lazy::CacheTypes cache_types, int64_t context,
                       std::shared_ptr<AnswerChannel> channel)
    : request_(fit(std::move(request), context)),
      context_(context),
      channel_(std::move(channel)),
      generation_(model, make_plan(request_.pruning, *model), cache_types),
      part_(generation_.transformer()) {
  if (pools() && (scores_prompt() || request_.generation.max_tokens != 0)) {
    fail(ErrorCode::usage, "an embedding is of a prompt alone: without tokens or logprobs");
  }
  if (!request_.free_documents.empty()) {
    check_free_order(request_, generation_.plan());
    documents_ = documents_alone(request_.prompt, request_.free_documents);
    reuse_ = DocumentReuse{.documents = std::ssize(documents_)};
  }
  if (attends() && (pools() || scores_prompt() || request_.generation.max_tokens != 0)) {
    fail(ErrorCode::usage, "a prompt that is looked at gives nothing else");
  }
  if (attends()) {
    attention_ = std::make_unique<AttentionReader>(
        *request_.attention, prompt_tokens(), generation_.transformer().hyperparameters(), part_);
  }
  if (request_.report_tokens) generation_.record_depths();
  generation_.begin_answer(request_.generation, request_.constraint, submitted_);
}

int64_t AnswerTask::last_position() const {
  return std::min(context_, prompt_tokens() + request_.generation.max_tokens);
}

uint64_t AnswerTask::most_bytes() const {
  const uint64_t hidden_rows = request_.use_cache ? 2 : 1;  // the Aux Cache's and the snapshot's
  const uint64_t scores =
      scores_prompt() ? sizeof(AnswerToken) +
                            sizeof(TokenLogprob) * static_cast<uint64_t>(request_.prompt_logprobs)
                      : 0;
  // Documents in free order are the cache's; none is read while the prompt's own sequence stands.
  return sequence_bytes(generation_.transformer().hyperparameters(), generation_.cache_types(),
                        last_position(), hidden_rows) +
         scores * static_cast<uint64_t>(prompt_tokens()) +
         (attention_ == nullptr ? 0 : attention_->bytes()) + embedding_bytes() + draft_bytes();
}

/// Logits of the rows that drafted tokens add to a step; their K,V lie within last_position().
uint64_t AnswerTask::draft_bytes() const {
  const auto rows = static_cast<uint64_t>(
      std::clamp(request_.generation.prompt_lookup_num_tokens, 0, kMostDraftedTokens));
  const model::Hyperparameters& h = generation_.transformer().hyperparameters();
  return rows * static_cast<uint64_t>(h.vocabulary_size) * sizeof(float);
}

uint64_t AnswerTask::embedding_bytes() const {
  if (!request_.embeds_tokens) return 0;
  const auto size = static_cast<uint64_t>(generation_.transformer().hyperparameters().hidden_size);
  return static_cast<uint64_t>(prompt_tokens()) * size * (sizeof(double) + sizeof(float));
}

PrefillQuestion AnswerTask::prefill_question() const {
  const lazy::PruningPlan& plan = generation_.plan();
  const auto& ranges = request_.generation.protected_ranges;
  const int64_t protected_tokens = std::accumulate(
      ranges.begin(), ranges.end(), plan.protect_first + plan.protect_last,
      [](int64_t sum, const TokenRange& range) { return sum + range.end - range.begin; });
  return {generation_.model(),
          plan,
          request_.prompt,
          protected_tokens,
          request_.use_cache && !reads_exactly(),
          request_.prefill,
          documents_,
          request_.recomputed_tokens};
}

void AnswerTask::start(SnapshotCache& snapshots, const PrefillRates& rates, lazy::Stepper& editor,
                       lazy::TokenMover& mover, const std::function<void()>& between_tiles) {
  queue_ms_ = milliseconds_since(submitted_);
  const auto& ranges = request_.generation.protected_ranges;
  plan_ = choose_prefill(prefill_question(), snapshots, rates);
  generation_.begin_prompt(
      {request_.prompt, ranges, reads_exactly() || plan_.dense_instead, &channel_->cancelled(),
       [&](int, int, double) { between_tiles(); }, reads_exactly()},
      editor);
  const bool shares = request_.use_cache && !reads_exactly() && !generation_.was_edited();
  if (plan_.free_order) {
    free_ = std::make_unique<FreePrefill>(generation_.transformer(), generation_.cache_types(),
                                          documents_, generation_.exact_depth());
  } else if (shares && snapshots.most_bytes() > 0) {
    snapshot_ = begin_from_snapshot(generation_, snapshots, &plan_.cached_depth);
  }
  if (reuse_) reuse_->stored_order = !free_ && !documents_.empty();
  begin_step(snapshots, mover);
}

bool AnswerTask::go_on(SnapshotCache& snapshots, lazy::TokenMover& mover) {
  if (!free_ || !free_->reading()) return false;
  free_->end_reading(snapshots, part_.report());
  begin_step(snapshots, mover);
  return true;
}

/// What a prompt in free order leaves is its documents; itself it is no other prompt's beginning.
void AnswerTask::compose(lazy::TokenMover& mover) {
  const FreeLayout layout = lay_out(documents_, prompt_tokens(), request_.recomputed_tokens,
                                    generation_.scoring_tokens());
  free_->compose(request_.prompt, layout, mover, generation_.sequence());
  generation_.restored();
  generation_.note_pairs_beside(free_->computed_pairs());
  plan_.cached_depth = free_->depth();
  reuse_->read_now = free_->read_now();
  reuse_->moved = std::ssize(layout.moved);
  reuse_->moved_tokens = layout.held - layout.prefix;
  for (const AloneDocument& document : documents_) {
    reuse_->recomputed_tokens += document.place.end - document.place.begin;
  }
  const int64_t head = documents_.front().head;
  reuse_->recomputed_tokens -= layout.held - std::min(head, layout.prefix);
}

void AnswerTask::begin_step(SnapshotCache& snapshots, lazy::TokenMover& mover) {
  if (free_) {
    if (free_->begin_reading(snapshots, part_)) return;
    compose(mover);
  }
  lazy::StepRequest step = generation_.prompt_step();
  step.observer = this;
  if (scores_prompt()) want_prompt_logprobs(step);
  if (pools()) want_embedding(step);
  if (reads_ahead() && snapshot_) step.stop_depth = snapshot_->depth();
  if (attends()) {
    step.stop_depth = attention_->last_layer();
    step.scores_though_stopped = true;
  }
  part_.begin(generation_.sequence(), attends() ? *attention_ : generation_.policy(), step);
}

/// Each token's probability is told by the logits of the token before it; the first has none.
void AnswerTask::want_prompt_logprobs(lazy::StepRequest& step) {
  for (const TokenId token : request_.prompt) {
    prompt_logprobs_.push_back({token, {}, std::numeric_limits<float>::quiet_NaN(), {}});
  }
  logit_positions_.resize(request_.prompt.size());
  std::iota(logit_positions_.begin(), logit_positions_.end(), 0);
  step.logit_positions = logit_positions_;
  step.logits = [this, last = step.logits](int64_t position, std::span<const float> logits) {
    if (position + 1 == prompt_tokens()) return last(position, logits);
    const double log_sum = log_sum_exp(logits);
    AnswerToken& next = prompt_logprobs_[static_cast<size_t>(position) + 1];
    next.logprob = static_cast<float>(logits[static_cast<size_t>(next.token)] - log_sum);
    next.top = best_tokens(logits, log_sum, request_.prompt_logprobs);
  };
}

void AnswerTask::want_embedding(lazy::StepRequest& step) {
  const bool each = request_.embeds_tokens;
  const auto size = static_cast<size_t>(generation_.transformer().hyperparameters().hidden_size);
  embedding_.assign(each ? size * request_.prompt.size() : size, 0.0);
  logit_positions_.clear();  // the last one
  if (each || request_.pooling == Pooling::mean) {
    logit_positions_.resize(request_.prompt.size());
    std::iota(logit_positions_.begin(), logit_positions_.end(), 0);
  }
  step.logit_positions = logit_positions_;
  const double share =
      each ? 1.0 : 1.0 / static_cast<double>(std::max<size_t>(1, logit_positions_.size()));
  step.hidden = [this, share, each](int64_t position, std::span<const float> hidden) {
    const size_t begin = each ? static_cast<size_t>(position) * hidden.size() : 0;
    for (size_t i = 0; i < hidden.size(); ++i)
      embedding_[begin + i] += share * static_cast<double>(hidden[i]);
  };
}

void AnswerTask::on_computed(int depth) {
  if (snapshot_ && depth == snapshot_->depth()) snapshot_->record(generation_.sequence());
}

int AnswerTask::rows_wanted_from() const {
  return snapshot_ ? snapshot_->depth() : generation_.transformer().hyperparameters().layers;
}

void AnswerTask::tell_progress() {
  channel_->push(PrefillProgress{prompt_tokens(), cached_tokens(), prefill_share()});
}

/// Readings take nearly all of the time where there are any.
double AnswerTask::prefill_share() const {
  constexpr double kReadings = 0.9;
  if (!free_) return prefill_.share();
  if (free_->reading()) {
    return kReadings * (free_->share_before() + free_->share_of_step() * prefill_.share());
  }
  const double before = free_->read_now() > 0 ? kReadings : 0.0;
  return before + (1.0 - before) * prefill_.share();
}

bool AnswerTask::has_same_prefill(const AnswerTask& other) const {
  const auto range = [](const TokenRange& r) { return std::pair(r.begin, r.end); };
  return request_.use_cache && !reads_exactly() && !other.reads_exactly() && !reads_ahead() &&
         !other.reads_ahead() && request_.prefill == other.request_.prefill &&
         generation_.plan().prefills_like(other.generation_.plan()) &&
         request_.prompt == other.request_.prompt &&
         request_.recomputed_tokens == other.request_.recomputed_tokens &&
         std::ranges::equal(request_.free_documents, other.request_.free_documents, {}, range,
                            range) &&
         std::ranges::equal(request_.generation.protected_ranges,
                            other.request_.generation.protected_ranges, {}, range, range);
}

bool AnswerTask::gains_from(const AnswerTask& other, const SnapshotCache& snapshots) const {
  if (other.snapshot_ == nullptr) return false;
  const int depth = other.snapshot_->depth();
  const std::span<const TokenId> theirs = other.snapshot_->of_prompt(other.request_.prompt);
  for (const SnapshotWish& wish : snapshot_wishes(prefill_question())) {
    if (depth > wish.depth) continue;
    const int64_t alike = usable_tokens(wish, theirs, other.snapshot_->attention());
    // With less in common it may be sooner alone.
    if (alike < kLeastAlike || alike * 2 < prompt_tokens() || alike * 2 < std::ssize(theirs)) {
      continue;
    }
    const auto held = snapshots.find(wish);
    const int64_t saved = held.snapshot == nullptr ? 0 : held.tokens * held.snapshot->depth();
    if (alike * depth > saved) return true;
  }
  return false;
}

std::unique_ptr<lazy::Snapshot> AnswerTask::snapshot_so_far() const {
  if (snapshot_ == nullptr || !snapshot_->is_whole_of(generation_.sequence())) return nullptr;
  auto copy = new_snapshot(generation_);
  copy->inherit(*snapshot_, snapshot_->size());
  copy->share(generation_.sequence());
  return copy;
}

void AnswerTask::share_prefill(const AnswerTask& other) {
  queue_ms_ = milliseconds_since(submitted_);
  plan_ = other.plan_;
  reuse_ = other.reuse_;
  generation_.share_prompt(other.generation_, other.part_.report());
  if (other.snapshot_) {
    snapshot_ = new_snapshot(generation_);
    snapshot_->inherit(*other.snapshot_, other.snapshot_->size());
  }
  note_end_of_prompt();
}

void AnswerTask::finish_prefill() {
  const auto finite = [](double x) { return std::isfinite(x); };
  if (!std::all_of(embedding_.begin(), embedding_.end(), finite)) {
    fail(ErrorCode::invalid_file,
         "the model computed a hidden state that is no number; its file is damaged");
  }
  generation_.end_prompt(part_.report());
  note_end_of_prompt();
}

void AnswerTask::note_speed(PrefillRates& rates) const {
  const Statistics& s = statistics();
  if (s.kept_per_layer.empty() || generation_.was_edited() || free_) return;
  PrefillOperations done = prefill_operations(generation_.model(), s.kept_per_layer,
                                              {cached_tokens(), plan_.cached_depth});
  done.attention *= s.attention_share;
  rates.note(done, s.prompt_tokens - cached_tokens(), s.linear_ms, s.attention_ms);
}

void AnswerTask::note_end_of_prompt() {
  if (!over()) return;
  const double now = milliseconds_since(submitted_);  // no token was asked for
  generation_.set_times(now, now);
}

bool AnswerTask::take_drafted() {
  if (generation_.take_drafted(next_token_)) return true;
  drop_drafted();
  return false;
}

/// What a snapshot recorded of the tokens that go must go, too.
void AnswerTask::drop_drafted() {
  generation_.drop_drafted();
  if (snapshot_) snapshot_->truncate(generation_.sequence().size());
}

std::span<lazy::StepPart* const> AnswerTask::begin_decode(StepCost& cost, int64_t rows_beside) {
  return generation_.begin_decode(next_token_, {&cost, rows_beside, context_}, nullptr, this);
}

void AnswerTask::finish_decode() {
  generation_.end_decode();
}

void AnswerTask::prepare_constraint(ConstraintWorker& worker) {
  if (request_.constraint && !over()) preparation_ = worker.prepare(request_.constraint);
}

void AnswerTask::write() {
  if (preparation_) std::exchange(preparation_, nullptr)->rethrow_failure();
  AnswerToken event;
  double log_sum = 0.0;
  const bool wants_logprobs = request_.top_logprobs >= 0 && !request_.sampled_logprobs;
  std::vector<float> raw;
  if (wants_logprobs) {
    raw.assign(generation_.logits().begin(), generation_.logits().end());  // a constraint changes
    log_sum = log_sum_exp(raw);
    event.top = best_tokens(raw, log_sum, request_.top_logprobs);
  }
  AnswerWriter::Written written = generation_.write();
  next_token_ = written.token;
  event.token = written.token;
  event.text = std::move(written.text);
  if (wants_logprobs) {
    event.logprob = static_cast<float>(raw[static_cast<size_t>(written.token)] - log_sum);
  }
  if (request_.top_logprobs >= 0 && request_.sampled_logprobs) tell_chances(event);
  channel_->push(std::move(event));
}

void AnswerTask::tell_chances(AnswerToken& event) const {
  for (const Sampler::Chance& chance : generation_.writer().sampler().last_chances()) {
    const auto logprob = static_cast<float>(std::log(chance.probability));
    if (chance.token == event.token) event.logprob = logprob;
    if (std::ssize(event.top) < request_.top_logprobs) event.top.push_back({chance.token, logprob});
  }
}

void AnswerTask::end(FinishReason reason, std::optional<Error> error, SnapshotCache& snapshots) {
  try {
    drop_drafted();
    AnswerEnd event = last_event(reason, std::move(error));
    if (snapshot_ && !event.error && snapshot_->size() > 0) {
      snapshot_->take(std::move(generation_.sequence()));
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
  event.text = generation_.writer().finish();
  if (statistics().generated_tokens > 0) generation_.finish_statistics();
  event.statistics = statistics();
  event.cached_tokens = cached_tokens();
  event.queue_ms = queue_ms_;
  event.plan = plan_;
  event.documents = reuse_;
  if (request_.report_tokens && !generation_.token_report().depths.empty()) {
    event.tokens = generation_.token_report();
  }
  if (!error) {
    event.prompt_logprobs = std::move(prompt_logprobs_);
    event.embedding.assign(embedding_.begin(), embedding_.end());
    if (attends()) event.attention = attention_->take();
  }
  event.error = std::move(error);
  return event;
}

std::vector<TokenId> AnswerTask::conversation() const {
  const std::span<const TokenId> tokens = generation_.conversation();
  return {tokens.begin(), tokens.end()};
}

void AnswerTask::abandon(const Error& error) noexcept {
  channel_->break_off(error);
}

SlotInfo AnswerTask::slot_info() const {
  SlotInfo info;
  info.busy = true;
  info.prompt_tokens = prompt_tokens();
  info.cached_tokens = cached_tokens();
  info.generated_tokens = statistics().generated_tokens;
  info.prefill_share = statistics().generated_tokens > 0 ? 1.0 : prefill_share();
  return info;
}

}  // namespace lazyllm::engine
