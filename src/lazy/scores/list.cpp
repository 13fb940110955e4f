// SPDX-License-Identifier: Apache-2.0
// The list of scores: one line each, for scores/NAME.cpp with its `const ScoreForm& NAME_score()`.
// extending_test.cpp fails for a file that is not named here.
#include "base/error.h"
#include "lazy/named_list.h"
#include "lazy/scores/score_form.h"

#define LAZYLLM_SCORES(X) \
  X(window)               \
  X(value)                \
  X(ahead)                \
  X(heads)                \
  X(accumulate)           \
  X(peak)

namespace lazyllm::lazy {

#define LAZYLLM_DECLARE(NAME) const ScoreForm& NAME##_score();
#define LAZYLLM_TAKE(NAME) &NAME##_score(),
LAZYLLM_NAMED_LIST(ScoreForm, forms, LAZYLLM_SCORES, LAZYLLM_DECLARE, LAZYLLM_TAKE)

std::span<const ScoreForm* const> score_forms() {
  return forms();
}

const ScoreForm& paper_score() {
  return window_score();
}

void add_score_form(const ScoreForm& form) {
  for ([[maybe_unused]] const ScoreForm* other : forms())
    LAZYLLM_CHECK(!other->answers_to(form.name()));
  forms().push_back(&form);
}

const ScoreForm& find_score_form(const ScoreText& text) {
  for (const ScoreForm* form : forms()) {
    if (form->answers_to(text.name())) return *form;
  }
  text.refuse("this is none of the scores");
}

}  // namespace lazyllm::lazy
