// SPDX-License-Identifier: Apache-2.0
#include "lazy/scores/score_form.h"

#include <charconv>

#include "base/error.h"
#include "lazy/importance_score.h"

namespace lazyllm::lazy {
namespace {

std::string spellings() {
  std::string list;
  for (const ScoreForm* form : score_forms()) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", form->spelling());
  }
  return list;
}

}  // namespace

ScoreText::ScoreText(std::string_view whole)
    : whole_(whole), name_(whole.substr(0, whole.find(':'))) {
  if (name_.size() < whole.size()) rest_ = whole.substr(name_.size() + 1);
}

void ScoreText::refuse(std::string_view why) const {
  fail(ErrorCode::usage,
       "--score {}: {}; write one of {} (what stands in [] can be left out, @W "
       "takes a window of W queries)",
       whole_, why, spellings());
}

int ScoreText::take_window() {
  const size_t at = rest_ ? rest_->find('@') : std::string_view::npos;
  if (at == std::string_view::npos) return 1;
  ScoreText window(*this);
  window.rest_ = rest_->substr(at + 1);
  rest_ = rest_->substr(0, at);
  return window.take_count(kMostQueries, "W must be a number from 1 to 4096");
}

int ScoreText::take_count(int most, std::string_view what) {
  const std::string_view text = take_rest();
  int count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (!whole || count < 1 || count > most) refuse(what);
  return count;
}

std::string_view ScoreText::take_rest() {
  if (!rest_) refuse(fmt::format("{} wants more than its name", name_));
  const std::string_view text = *rest_;
  rest_.reset();
  return text;
}

void ScoreText::end() const {
  if (rest_) refuse(fmt::format("'{}' is too much", *rest_));
}

void ScoreForm::check(const ImportanceScore&, const model::Hyperparameters&) const {}

std::unique_ptr<LayerScores> ScoreForm::carry(const ImportanceScore&, std::span<const int>,
                                              int) const {
  return nullptr;
}

}  // namespace lazyllm::lazy
