// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/needle.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evaluation/needle_texts.h"
#include "evaluation/random.h"
#include "evaluation/sentences.h"

namespace lazyllm::evaluation {
namespace {

constexpr size_t kNeedlesAtOnce = 4;

std::string replaced(std::string_view form, std::string_view name, std::string_view value) {
  std::string result(form);
  for (size_t at = 0; (at = result.find(name, at)) != std::string::npos; at += value.size()) {
    result.replace(at, name.size(), value);
  }
  return result;
}

/// What is hidden and asked, still without a text around it.
struct Question {
  std::vector<std::string> needles, values;
  std::string question, answer_prefix;
};

/// Five digits that stand nowhere in the text.
std::string draw_value(Random& random, std::string_view haystack,
                       const std::vector<std::string>& taken) {
  while (true) {
    std::string value = std::to_string(random.between(10000, 99999));
    const bool is_taken = std::find(taken.begin(), taken.end(), value) != taken.end();
    if (!is_taken && haystack.find(value) == std::string_view::npos) return value;
  }
}

Question draw_question(NeedleKind kind, Random& random, std::string_view haystack) {
  Question q;
  if (kind == NeedleKind::paraphrased) {
    const NeedleWording& wording =
        kParaphrasedNeedles[random.below(std::size(kParaphrasedNeedles))];
    q.values.push_back(draw_value(random, haystack, {}));
    q.needles.push_back(replaced(wording.needle, "{value}", q.values[0]));
    q.question = wording.question;
    q.answer_prefix = wording.answer_prefix;
    return q;
  }
  const size_t count = kind == NeedleKind::several ? kNeedlesAtOnce : 1;
  std::vector<std::string> keys;
  for (const size_t key : random.sample(std::size(kNeedleKeys), count)) {
    keys.emplace_back(kNeedleKeys[key]);
    q.values.push_back(draw_value(random, haystack, q.values));
    q.needles.push_back(replaced(replaced(kLiteralNeedle.needle, "{key}", keys.back()), "{value}",
                                 q.values.back()));
  }
  if (kind == NeedleKind::literal) {
    q.question = replaced(kLiteralNeedle.question, "{key}", keys[0]);
    q.answer_prefix = replaced(kLiteralNeedle.answer_prefix, "{key}", keys[0]);
  } else {
    for (std::string& key : keys) key = "the " + key;
    q.question = replaced(kSeveralQuestion, "{keys}", enumerate(keys));
    q.answer_prefix = replaced(kSeveralAnswerPrefix, "{keys}", enumerate(keys));
  }
  return q;
}

/// `count` sentences of the book from `start` on, past its end from its front, with the needles
/// between them.
std::string compose(const Question& q, const std::vector<std::string_view>& book, size_t start,
                    size_t count, double depth) {
  std::vector<std::pair<size_t, size_t>> places;  // (sentences before it, needle)
  for (size_t i = 0; i < q.needles.size(); ++i) {
    const double share =
        depth / 100.0 + static_cast<double>(i) / static_cast<double>(q.needles.size());
    // A depth of 100 % is the end of the text for the first needle, not its beginning.
    const double place = i == 0 ? share : share - std::floor(share);
    places.emplace_back(static_cast<size_t>(std::lround(place * static_cast<double>(count))), i);
  }
  std::sort(places.begin(), places.end());
  std::string text(kNeedleIntroduction);
  auto next = places.begin();
  const auto separate = [&] {
    if (text.back() != ' ' && text.back() != '\n') text += ' ';
  };
  for (size_t i = 0; i <= count; ++i) {
    for (; next != places.end() && next->first == i; ++next) {
      separate();
      text += q.needles[next->second];
    }
    if (i == count) break;
    separate();
    text += book[(start + i) % book.size()];
  }
  while (text.back() == ' ' || text.back() == '\n' || text.back() == '\r') text.pop_back();
  return text + "\n\n" + q.question;
}

class NeedleMaker {
 public:
  NeedleMaker(std::string_view haystack, const TokenCounter& count)
      : haystack_(haystack), book_(split_sentences(haystack)), count_(count) {}

  Record make(NeedleKind kind, int64_t length, double depth, int64_t trial, uint64_t seed) const {
    Record record;
    record.id = fmt::format("{}-{}-{}-{}", to_string(kind), length, depth, trial);
    record.where = fmt::format("needle {} (seed {})", record.id, seed);
    Random random(seed, record.id);
    const Question q = draw_question(kind, random, haystack_);
    record.answer_prefix = q.answer_prefix;
    record.answers = q.values;
    record.gold = fmt::format(" {}.", enumerate(q.values));
    record.length = length;
    record.depth = depth;
    record.kind = to_string(kind);
    const size_t start = book_.empty() ? 0 : random.below(book_.size());
    const size_t count = sentences_that_fit(q, start, depth, length);
    record.prompt = compose(q, book_, start, count, depth);
    return record;
  }

 private:
  size_t sentences_that_fit(const Question& q, size_t start, double depth, int64_t length) const {
    const auto fits = [&](size_t count) {
      return count_(compose(q, book_, start, count, depth), q.answer_prefix) <= length;
    };
    if (!fits(0)) {
      fail(ErrorCode::usage, "a prompt of {} tokens has no room for a needle and its question",
           length);
    }
    size_t low = 0, high = 1;  // `low` sentences fit
    while (high < book_.size() && fits(high)) {
      low = high;
      high *= 2;
    }
    high = std::min(high, book_.size());
    if (high == low || (high == book_.size() && fits(high))) {
      fail(
          ErrorCode::usage,
          "the text is too short for needle prompts of {} tokens; give a longer one with --data or "
          "smaller --lengths",
          length);
    }
    while (high - low > 1) {
      const size_t middle = low + (high - low) / 2;
      (fits(middle) ? low : high) = middle;
    }
    return low;
  }

  std::string_view haystack_;
  std::vector<std::string_view> book_;
  const TokenCounter& count_;
};

}  // namespace

std::string_view to_string(NeedleKind kind) {
  switch (kind) {
    case NeedleKind::literal:
      return "literal";
    case NeedleKind::paraphrased:
      return "paraphrased";
    case NeedleKind::several:
      return "several";
  }
  return "";
}

std::vector<Task> make_needle_tasks(const NeedleOptions& options, std::string_view haystack,
                                    const TokenCounter& count) {
  for (const double depth : options.depths) {
    if (!(depth >= 0.0 && depth <= 100.0)) {
      fail(ErrorCode::usage, "--depths {}: a depth is a percentage from 0 to 100", depth);
    }
  }
  const NeedleMaker maker(haystack, count);
  std::vector<Task> tasks;
  for (const NeedleKind kind : options.kinds) {
    Task task;
    task.name = to_string(kind);
    task.category = "needle";
    task.metric = "string_match_all";
    task.max_tokens = kind == NeedleKind::several ? 64 : 24;
    for (const int64_t length : options.lengths) {
      for (const double depth : options.depths) {
        for (int64_t trial = 0; trial < options.trials; ++trial) {
          task.records.push_back(maker.make(kind, length, depth, trial, options.seed));
        }
      }
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace lazyllm::evaluation
