// SPDX-License-Identifier: Apache-2.0
#include "engine/generation.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "engine/prefill_cost.h"
#include "engine/step_statistics.h"

namespace lazyllm::engine {

Generation::Generation(std::shared_ptr<const Model> model, lazy::PruningPlan plan,
                       lazy::CacheTypes cache_types)
    : model_(std::move(model)),
      transformer_(model_->implementation().require_transformer()),
      plan_(std::move(plan)),
      cache_types_(cache_types),
      policy_(lazy::create_policy(plan_)),
      sequence_(transformer_, cache_types),
      verifying_(transformer_) {}

Generation::Generation(const Generation& other)
    : model_(other.model_),
      transformer_(other.transformer_),
      plan_(other.plan_),
      cache_types_(other.cache_types_),
      policy_(other.statistics_.policy == "dense" ? lazy::make_dense_policy()
                                                  : lazy::create_policy(plan_)),
      sequence_(other.sequence_),
      conversation_(other.conversation_),
      sequence_end_(other.sequence_end_),
      prompt_(other.prompt_),
      edited_(other.edited_),
      kept_(other.kept_),
      protected_(other.protected_),
      attention_(other.attention_),
      prompt_begin_(other.prompt_begin_),
      prompt_end_(other.prompt_end_),
      editing_pairs_(other.editing_pairs_),
      cached_tokens_(other.cached_tokens_),
      cached_pairs_(other.cached_pairs_),
      verifying_(transformer_),
      logits_(other.logits_),
      statistics_(other.statistics_),
      depths_(other.depths_) {}

void Generation::truncate(int64_t size) {
  drop_drafted();
  if (size >= this->size()) return;
  sequence_.truncate(size == 0 ? 0 : sequence_end_[static_cast<size_t>(size) - 1]);
  conversation_.resize(static_cast<size_t>(size));
  sequence_end_.resize(static_cast<size_t>(size));
}

int64_t Generation::keep_common_prefix(std::span<const TokenId> tokens) {
  const auto mismatch =
      std::mismatch(conversation_.begin(), conversation_.end(), tokens.begin(), tokens.end());
  const int64_t common =
      std::min<int64_t>(mismatch.first - conversation_.begin(), std::ssize(tokens) - 1);
  truncate(common);
  return common;
}

void Generation::remember(std::span<const TokenId> tokens, std::span<const int32_t> kept) {
  int64_t end = sequence_end_.empty() ? 0 : sequence_end_.back();
  size_t next = 0;
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (next < kept.size() && kept[next] == static_cast<int32_t>(i)) {
      ++next;
      ++end;
    }
    conversation_.push_back(tokens[i]);
    sequence_end_.push_back(end);
  }
}

std::vector<int64_t> Generation::sequence_indices() const {
  std::vector<int64_t> indices;
  indices.reserve(sequence_end_.size());
  int64_t previous = 0;
  for (const int64_t end : sequence_end_) {
    indices.push_back(end > previous ? end - 1 : -1);
    previous = end;
  }
  return indices;
}

/// The ranges are the reader's, of the conversation with the prompt; what a policy left out shifts
/// them.
void Generation::protect(std::span<const TokenRange> ranges) {
  const auto in_sequence = [&](int64_t token) {  // tokens of sequence_ before this one
    if (token <= size()) return token <= 0 ? 0 : sequence_end_[static_cast<size_t>(token) - 1];
    const auto kept = std::lower_bound(kept_.begin(), kept_.end(), token - size());
    return prompt_begin_ + (kept - kept_.begin());
  };
  protected_.clear();
  for (const TokenRange& range : ranges) {
    const TokenRange inside{in_sequence(range.begin), in_sequence(range.end)};
    if (inside.begin < inside.end) protected_.push_back(inside);
  }
}

void Generation::choose_policy(int64_t tokens, bool dense) {
  dense = dense || tokens < plan_.min_prompt || plan_.policy_name == "dense";
  policy_ = dense ? lazy::make_dense_policy() : lazy::create_policy(plan_);
  verifying_.forget_policies();
  statistics_.policy = policy_->name();
  statistics_.schedule = dense ? "" : lazy::to_string(plan_.schedule);
}

void Generation::begin_prompt(const PromptPart& prompt, lazy::Stepper& editor) {
  drop_drafted();
  statistics_ = {};
  link_meter_.start(model_->implementation());
  depths_.clear();
  cached_tokens_ = 0;
  cached_pairs_ = 0;
  beside_pairs_ = 0;
  choose_policy(size() + std::ssize(prompt.tokens), prompt.dense);
  // What the reader protects, as the policy sees it: this prompt alone.
  std::vector<TokenRange> own_ranges;
  for (const TokenRange& range : prompt.protected_ranges) {
    const TokenRange own{std::max<int64_t>(range.begin - size(), 0), range.end - size()};
    if (own.begin < own.end) own_ranges.push_back(own);
  }
  const lazy::PromptEditor prompt_editor{
      transformer_,       editor,     plan_.seed,    plan_.protect_first,
      plan_.protect_last, own_ranges, prompt.cancel, prompt.progress};
  lazy::EditedPrompt edited = policy_->edit_prompt(prompt.tokens, prompt_editor);
  kept_ = std::move(edited.kept);
  editing_pairs_ = edited.computed_pairs;
  prompt_.assign(prompt.tokens.begin(), prompt.tokens.end());
  edited_.clear();
  for (const int32_t index : kept_) edited_.push_back(prompt_[static_cast<size_t>(index)]);
  prompt_begin_ = sequence_.size();
  prompt_end_ = prompt_begin_ + std::ssize(edited_);
  attention_ = prompt.exact ? lazy::AttentionForm{} : plan_.attention.for_size(prompt_end_);
  statistics_.attention = attention_.to_string();
  protect(prompt.protected_ranges);
  statistics_.prompt_tokens = std::ssize(prompt_);
}

bool Generation::was_edited() const {
  return policy_->edits_prompt() || editing_pairs_ > 0 || edited_.size() != prompt_.size();
}

int Generation::exact_depth() const {
  return engine::exact_depth(*policy_, transformer_.hyperparameters().kv_layers());
}

void Generation::restored() {
  cached_tokens_ = 0;
  cached_pairs_ = 0;
  for (int64_t token = prompt_begin_; token < sequence_.size(); ++token) {
    cached_tokens_ += sequence_.depth(token) > 0 ? 1 : 0;
    cached_pairs_ += static_cast<uint64_t>(sequence_.depth(token));
  }
}

lazy::StepRequest Generation::step_request() {
  lazy::StepRequest step;
  step.protect_first = plan_.protect_first;
  step.tail_begin = std::max(prompt_begin_, prompt_end_ - plan_.protect_last);
  step.tail_end = prompt_end_;
  step.protected_ranges = protected_;
  step.revive_budget = plan_.revive_budget;
  step.logits = [this](int64_t, std::span<const float> values) {
    logits_.assign(values.begin(), values.end());
  };
  return step;
}

lazy::StepRequest Generation::prompt_step() {
  lazy::StepRequest step = step_request();
  step_begin_ = prompt_begin_;
  const int64_t held = sequence_.size() - prompt_begin_;
  step.new_tokens = std::span(edited_).subspan(static_cast<size_t>(held));
  step.kind = lazy::StepKind::prompt;
  step.first_query = prompt_begin_;
  step.attention = attention_;
  return step;
}

void Generation::end_prompt(const lazy::StepReport& report) {
  remember(prompt_, kept_);
  if (records_depths_) depths_.start(sequence_, sequence_indices());
  statistics_.computed_fraction = computed_fraction();
  add_prompt_step(report, statistics_);
  // A prompt that was only read ahead did not come to the last layers.
  const model::Hyperparameters& h = transformer_.hyperparameters();
  statistics_.kept_per_layer.resize(static_cast<size_t>(h.kv_layers()), 0);
  // Those that read keys and values of others were entered by the rows with results alone.
  statistics_.kept_per_layer.resize(static_cast<size_t>(h.layers), report.finished_rows);
  statistics_.shared_kv_saved =
      1.0 - (h.kv_layers() + h.shared_kv_layers * static_cast<double>(report.finished_rows) /
                                 static_cast<double>(prompt_.size())) /
                h.layers;
}

void Generation::share_prompt(const Generation& other, const lazy::StepReport& report) {
  LAZYLLM_CHECK(size() == 0 && sequence_.size() == 0);
  statistics_ = {};
  choose_policy(std::ssize(other.prompt_), other.statistics_.policy == "dense");
  statistics_.prompt_tokens = std::ssize(other.prompt_);
  prompt_ = other.prompt_;
  edited_ = other.edited_;
  kept_ = other.kept_;
  protected_ = other.protected_;
  attention_ = other.attention_;
  statistics_.attention = attention_.to_string();
  logits_ = other.logits_;
  sequence_ = lazy::Sequence(other.sequence_);
  prompt_end_ = other.prompt_end_;
  restored();
  cached_tokens_ = std::ssize(prompt_);
  end_prompt(report);
}

void Generation::begin_answer(const GenerationOptions& options,
                              std::shared_ptr<TokenConstraint> constraint,
                              Clock::time_point start) {
  writer_.emplace(model_->implementation().tokenizer.get(), options, std::move(constraint));
  start_ = start;
  lookup_.reset();
  if (options.prompt_lookup_num_tokens != 0) lookup_.emplace(options.prompt_lookup_num_tokens);
}

AnswerWriter::Written Generation::write() {
  AnswerWriter::Written written = writer_->write(logits_, conversation_);
  statistics_.total_ms = std::chrono::duration<double, std::milli>(Clock::now() - start_).count();
  if (statistics_.generated_tokens == 0) statistics_.ttft_ms = statistics_.total_ms;
  count_token();
  return written;
}

void Generation::count_token() {
  ++statistics_.generated_tokens;
  if (records_computed_share_ && statistics_.policy != "dense") {
    statistics_.computed_by_step.push_back(computed_fraction());
  }
}

std::unique_ptr<lazy::Policy> Generation::make_policy() const {
  return statistics_.policy == "dense" ? lazy::make_dense_policy() : lazy::create_policy(plan_);
}

/// Most tokens behind the next one that can be of use.
int64_t Generation::draft_room(int64_t context) const {
  if (!VerifyingStep::can_draft(*policy_, transformer_.hyperparameters().kv_layers())) return 0;
  const int64_t room = context - size() - 1;
  const int64_t left = writer_->tokens_left();
  return std::max<int64_t>(0, left < 0 ? room : std::min(room, left - 1));
}

bool Generation::take_drafted(TokenId token) {
  if (verifying_.next_is(token)) {
    ++statistics_.draft_n_accepted;
    take_row(token);
    return true;
  }
  drop_drafted();
  return false;
}

std::span<const TokenId> Generation::draft(TokenId token, const DraftRoom& room) {
  if (!room.known.empty()) return room.known;
  if (room.cost == nullptr || !writer_) return {};
  // Measured: rows of one part, and parts that select and revive each for themselves.
  constexpr double kRow = 0.06, kPart = 0.25;
  const int layers = transformer_.hyperparameters().kv_layers();
  room.cost->expect(VerifyingStep::is_chain(*policy_, layers) ? kPart : kRow);
  std::span<const TokenId> drafted;
  const int64_t most = draft_room(room.context);
  if (lookup_) {
    lookup_->follow(conversation_, token);
    drafted = lookup_->propose(most, *room.cost, room.rows_beside);
  }
  if (drafter_ == nullptr || !drafted.empty()) return drafted;
  drafter_->follow(conversation_, token);
  return drafter_->propose(most, *room.cost, room.rows_beside);
}

std::span<lazy::StepPart* const> Generation::begin_decode(TokenId token, const DraftRoom& room,
                                                          const std::atomic<bool>* cancel,
                                                          lazy::StepObserver* observer) {
  step_begin_ = sequence_.size();
  const std::span<const TokenId> drafted = draft(token, room);
  statistics_.draft_n += std::ssize(drafted);
  lazy::StepRequest step = step_request();
  step.kind = lazy::StepKind::decode;
  step.cancel = cancel;
  step.observer = observer;
  step_token_ = token;
  verifying_.begin(
      sequence_, *policy_, [this] { return make_policy(); }, step, token, drafted);
  return verifying_.parts();
}

void Generation::end_decode() {
  verifying_.end();
  take_row(step_token_);
}

void Generation::take_row(TokenId token) {
  const VerifyingStep::Row row = verifying_.take();
  logits_.assign(row.logits.begin(), row.logits.end());
  statistics_.revived_tokens += row.revived;
  const auto depth = [this](int64_t index) { return verifying_.depth(sequence_, index); };
  if (records_depths_) depths_.note_step(depth, row.revived > 0);
  const int32_t kept[] = {0};
  remember(std::span(&token, 1), kept);
}

void Generation::decode(TokenId token, lazy::Stepper& stepper, const DraftRoom& room,
                        const std::atomic<bool>* cancel) {
  if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
    fail(ErrorCode::cancelled, "cancelled");  // drafted tokens would need no step to notice
  }
  if (take_drafted(token)) return;
  try {
    const std::span<lazy::StepPart* const> parts = begin_decode(token, room, cancel);
    const Clock::time_point begin = Clock::now();  // of the step: guesses cost what they cost
    stepper.begin(run_, parts);
    while (stepper.advance(run_)) {
    }
    const std::chrono::duration<double> spent = Clock::now() - begin;
    if (room.cost != nullptr) room.cost->note(verifying_.ahead(), spent.count());
    end_decode();
  } catch (...) {
    abandon_step();
    throw;
  }
}

void Generation::drop_drafted() {
  verifying_.take_back();
}

void Generation::abandon_step() {
  drop_drafted();
  sequence_.truncate(step_begin_);
}

double Generation::computed_fraction() const {
  uint64_t pairs = editing_pairs_ + beside_pairs_;
  for (int64_t token = prompt_begin_; token < prompt_end_; ++token) {
    pairs += static_cast<uint64_t>(verifying_.depth(sequence_, token));
  }
  return static_cast<double>(pairs - cached_pairs_) /
         (static_cast<double>(prompt_.size()) * transformer_.hyperparameters().kv_layers());
}

void Generation::set_times(double ttft_ms, double total_ms) {
  statistics_.ttft_ms = ttft_ms;
  statistics_.total_ms = total_ms;
}

void Generation::finish_statistics() {
  drop_drafted();
  if (statistics_.generated_tokens > 1) {
    statistics_.tpot_ms = (statistics_.total_ms - statistics_.ttft_ms) /
                          static_cast<double>(statistics_.generated_tokens - 1);
  }
  const bool computed = statistics_.prompt_tokens > 0 && sequence_.size() >= prompt_end_;
  statistics_.computed_fraction_end = computed ? computed_fraction() : 0.0;
  statistics_.links = link_meter_.bytes(model_->implementation());
  statistics_.kv_bytes = sequence_.kv_bytes();
  statistics_.aux_bytes = sequence_.aux_bytes();
}

}  // namespace lazyllm::engine
