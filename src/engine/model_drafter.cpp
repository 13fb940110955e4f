// SPDX-License-Identifier: Apache-2.0
#include "engine/model_drafter.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/log_softmax.h"
#include "engine/model_implementation.h"
#include "engine/profiles.h"

namespace lazyllm::engine {
namespace {

constexpr double kForgetGuess = 0.95;  // per guess
constexpr double kForgetGain = 0.9;    // per draft
constexpr double kWorth = 1.05;        // less gain is not worth the risk
constexpr int64_t kFewMissing = 16;    // tokens that are caught up as written ones
constexpr int64_t kFirstRest = 8, kLongestRest = 256;
constexpr int64_t kPaddingTokens = 1024;  // families pad their vocabularies by the model's size

[[noreturn]] void refuse_vocabulary(const Model& draft, const Model& target, std::string_view why) {
  fail(ErrorCode::usage,
       "--draft-model {}: its vocabulary is not that of {}: {}; take a small model of the same "
       "family",
       draft.info().path, target.info().path, why);
}

/// The small model's own: its profile where it has one, else the default preset.
lazy::PruningPlan draft_plan(const Model& draft) {
  PruningOptions pruning;
  pruning.profile = "auto";
  return make_plan(pruning, draft);
}

/// The same number must mean the same text.
void check_vocabulary(const Model& draft, const Model& target) {
  const int64_t ours = draft.info().vocabulary_size, theirs = target.info().vocabulary_size;
  if (std::abs(ours - theirs) > kPaddingTokens) {
    refuse_vocabulary(draft, target, fmt::format("{} tokens and {}", ours, theirs));
  }
  if (draft.has_tokenizer() != target.has_tokenizer()) {
    refuse_vocabulary(draft, target, "only one of them has a tokenizer");
  }
  if (!draft.has_tokenizer()) return;
  for (TokenId token = 0; token < std::min(ours, theirs); ++token) {
    if (draft.piece(token, /*special=*/true) == target.piece(token, /*special=*/true)) continue;
    refuse_vocabulary(draft, target, fmt::format("token {} is another text", token));
  }
}

}  // namespace

ModelDrafter::ModelDrafter(std::shared_ptr<const Model> draft, const Model& target, int most,
                           const std::atomic<bool>* cancel)
    : generation_(draft, draft_plan(*draft), {}),
      stepper_(generation_.transformer()),
      most_(most),
      context_(generation_.transformer().hyperparameters().context_length),
      vocabulary_(std::min(draft->info().vocabulary_size, target.info().vocabulary_size)),
      cancel_(cancel) {
  check_vocabulary(*draft, target);
  if (most < 1 || most > kMostDraftedTokens) {
    fail(ErrorCode::usage, "--draft-max {}: write a number of tokens from 1 to {}", most,
         kMostDraftedTokens);
  }
  // Before anything is known: as sure as it is itself.
  for (size_t i = 0; i < accuracy_.size(); ++i) {
    accuracy_[i].right = (static_cast<double>(i) + 0.5) / kBuckets;
  }
}

ModelDrafter::Accuracy& ModelDrafter::accuracy(double probability) {
  const auto bucket = static_cast<int>(probability * kBuckets);
  return accuracy_[static_cast<size_t>(std::clamp(bucket, 0, kBuckets - 1))];
}

void ModelDrafter::follow(std::span<const TokenId> conversation, TokenId token) {
  const auto added = std::ssize(conversation) + 1 - std::ssize(text_);
  text_.assign(conversation.begin(), conversation.end());
  text_.push_back(token);
  if (rest_ > 0) rest_ = std::max<int64_t>(0, rest_ - std::max<int64_t>(added, 1));
  learn();
}

/// How the last draft's guesses did.
void ModelDrafter::learn() {
  if (guesses_.empty()) return;
  size_t right = 0;
  for (size_t i = 0; i < guesses_.size() && draft_end_ + i < text_.size(); ++i) {
    const bool is_right = text_[draft_end_ + i] == guesses_[i].token;
    Accuracy& known = accuracy(guesses_[i].probability);
    known.right = kForgetGuess * known.right + (is_right ? 1.0 : 0.0);
    known.tried = kForgetGuess * known.tried + 1.0;
    if (!is_right) break;
    if (i < draft_.size()) ++right;
  }
  gained_ = kForgetGain * gained_ + static_cast<double>(right) * usual_ - spent_;
  guesses_.clear();
  if (gained_ >= 0.0) {
    next_rest_ = 0;
  } else if (gained_ < -2.0 * usual_) {
    rest();
  }
}

void ModelDrafter::rest() {
  next_rest_ = std::clamp(2 * next_rest_, kFirstRest, kLongestRest);
  rest_ = next_rest_;
  gained_ = 0.0;
}

/// Computes what the small model does not have yet of the text.
void ModelDrafter::catch_up() {
  const int64_t held = generation_.keep_common_prefix(text_);
  const auto missing = std::span(std::as_const(text_)).subspan(static_cast<size_t>(held));
  if (held > 0 && std::ssize(missing) <= kFewMissing) {
    DraftRoom room;  // one step for all of them
    room.known = missing.subspan(1);
    for (const TokenId token : missing) {
      generation_.decode(token, stepper_, room, cancel_);
      room.known = {};
    }
    return;
  }
  generation_.begin_prompt({missing, {}, false, cancel_, {}}, stepper_);
  lazy::StepRequest request = generation_.prompt_step();
  request.cancel = cancel_;
  try {
    generation_.end_prompt(stepper_.step(generation_.sequence(), generation_.policy(), request));
  } catch (...) {
    generation_.abandon_step();
    throw;
  }
}

ModelDrafter::Guess ModelDrafter::best_guess() const {
  const std::span<const float> logits =
      generation_.logits().first(static_cast<size_t>(vocabulary_));
  const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
  return {static_cast<TokenId>(best), std::exp(log_softmax(logits, static_cast<size_t>(best)))};
}

std::span<const TokenId> ModelDrafter::propose(int64_t room, const StepCost& cost,
                                               int64_t rows_beside) {
  using Clock = std::chrono::steady_clock;
  draft_.clear();
  guesses_.clear();
  const int64_t most = std::min({room, most_, context_ - std::ssize(text_)});
  // Families pad differently: a token that is only the large model's has no row in the small one.
  const bool known =
      std::all_of(text_.begin(), text_.end(), [&](TokenId token) { return token < vocabulary_; });
  if (most < 1 || rest_ > 0 || !known || !cost.measured()) return draft_;
  const int64_t before = generation_.size();
  Clock::time_point start = Clock::now();
  catch_up();
  // What was missed while it rested, or the prompt, is no cost of this draft.
  if (before == 0 || std::ssize(text_) - before > kFewMissing) start = Clock::now();
  usual_ = cost.of(rows_beside + 1) / static_cast<double>(rows_beside + 1);
  const double row = cost.of(rows_beside + 2) - cost.of(rows_beside + 1);
  draft_end_ = text_.size();
  double chance = 1.0;
  int64_t decoded = 0;
  while (true) {
    const Guess guess = best_guess();
    guesses_.push_back(guess);
    const Accuracy& so_far = accuracy(guess.probability);
    chance *= so_far.right / so_far.tried;
    // The guess itself is there already; one more takes a step of the small model.
    if (chance * usual_ < kWorth * row) break;
    draft_.push_back(guess.token);
    if (std::ssize(draft_) == most || chance * usual_ < kWorth * (row + token_seconds_)) break;
    const Clock::time_point begin = Clock::now();
    generation_.decode(guess.token, stepper_, {}, cancel_);
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    token_seconds_ = token_seconds_ == 0.0 ? seconds : 0.9 * token_seconds_ + 0.1 * seconds;
    ++decoded;
  }
  spent_ = std::chrono::duration<double>(Clock::now() - start).count() +
           row * static_cast<double>(draft_.size());
  return draft_;
}

}  // namespace lazyllm::engine
