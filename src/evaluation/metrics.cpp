// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/research/metrics.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <unordered_map>

#include "base/error.h"
#include "evaluation/rouge.h"
#include "evaluation/sequence_ratio.h"
#include "evaluation/string_match.h"
#include "evaluation/words.h"

namespace lazyllm {
namespace {

using evaluation::find_numbers;
using Classes = std::vector<std::string>;

/// F1 of the words as bags.
double qa_f1(std::string_view prediction, std::string_view answer, const Classes&) {
  const std::string said = evaluation::normalize_answer(prediction);
  const std::string wanted = evaluation::normalize_answer(answer);
  const auto said_words = evaluation::split_words(said);
  const auto wanted_words = evaluation::split_words(wanted);
  std::unordered_map<std::string_view, int> left;
  for (const std::string_view word : wanted_words) ++left[word];
  int common = 0;
  for (const std::string_view word : said_words) {
    if (const auto found = left.find(word); found != left.end() && found->second > 0) {
      --found->second;
      ++common;
    }
  }
  if (common == 0) return 0.0;
  const double precision = static_cast<double>(common) / static_cast<double>(said_words.size());
  const double recall = static_cast<double>(common) / static_cast<double>(wanted_words.size());
  return (2.0 * precision * recall) / (precision + recall);
}

double rouge(std::string_view prediction, std::string_view answer, const Classes&) {
  return evaluation::rouge_l(prediction, answer);
}

/// One over the number of labels named, if the right one is among them. The official script
/// removes labels while it walks over the list, so that after each removal one goes unseen.
double classification(std::string_view prediction, std::string_view answer, const Classes& all) {
  std::vector<std::string_view> named;
  for (const std::string& label : all) {
    if (prediction.find(label) != std::string_view::npos) named.push_back(label);
  }
  for (size_t i = 0; i < named.size(); ++i) {
    const std::string_view label = named[i];
    if (answer.find(label) == std::string_view::npos || label == answer) continue;
    // list.remove() takes away the first that is equal.
    named.erase(std::find(named.begin(), named.end(), label));
  }
  const bool right = std::find(named.begin(), named.end(), answer) != named.end();
  return right ? 1.0 / static_cast<double>(named.size()) : 0.0;
}

double share_of_numbers(std::string_view prediction, std::string_view wanted) {
  const auto numbers = find_numbers(prediction);
  if (numbers.empty()) return 0.0;
  return static_cast<double>(std::count(numbers.begin(), numbers.end(), wanted)) /
         static_cast<double>(numbers.size());
}

double count(std::string_view prediction, std::string_view answer, const Classes&) {
  return share_of_numbers(prediction, answer);
}

/// The share of the numbers said that are the answer's "Paragraph N".
double retrieval(std::string_view prediction, std::string_view answer, const Classes&) {
  constexpr std::string_view kWord = "Paragraph ";
  for (size_t at = answer.find(kWord); at != std::string_view::npos;
       at = answer.find(kWord, at + 1)) {
    const std::string_view rest = answer.substr(at + kWord.size());
    const auto numbers = find_numbers(rest);
    if (!numbers.empty() && numbers.front().data() == rest.data()) {
      return share_of_numbers(prediction, numbers.front());
    }
  }
  fail(ErrorCode::invalid_input,
       "the answer '{}' names no 'Paragraph N'; metric retrieval needs one", answer);
}

/// The first line that is not a comment or a fence of code.
std::string_view first_code_line(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of('\n'), text.size()));
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    if (line.find('`') == std::string_view::npos && line.find('#') == std::string_view::npos &&
        line.find("//") == std::string_view::npos) {
      return line;
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return {};
}

double code_sim(std::string_view prediction, std::string_view answer, const Classes&) {
  const std::string_view line = first_code_line(prediction);
  if (line == answer) return 1.0;
  if (line.empty() || answer.empty()) return 0.0;
  // Whole percents, halves to even, as Python rounds.
  return std::nearbyint(100.0 * evaluation::sequence_ratio(line, answer)) / 100.0;
}

/// Whether the answer stands in what was said, whatever the case.
double contains(std::string_view prediction, std::string_view answer, const Classes&) {
  return evaluation::string_match_part(prediction, {std::string(answer)});
}

/// A letter from A on that stands alone at `at`, and is no article or pronoun of a sentence.
bool is_choice(std::string_view text, size_t at) {
  const auto letter = [&](size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i])) != 0;
  };
  if (text[at] < 'A' || text[at] > 'J' || (at > 0 && letter(at - 1)) || letter(at + 1))
    return false;
  const bool in_sentence = at + 2 < text.size() && text[at + 1] == ' ' && letter(at + 2);
  return !in_sentence || (text[at] != 'A' && text[at] != 'I');
}

/// Whether the first letter of a choice that was said is the answer's, as "B", "(B)" or "The
/// correct answer is B".
double choice(std::string_view prediction, std::string_view answer, const Classes&) {
  for (size_t at = 0; at < prediction.size(); ++at) {
    if (is_choice(prediction, at)) return answer == prediction.substr(at, 1) ? 1.0 : 0.0;
  }
  return 0.0;
}

struct Metric {
  std::string_view name;
  double (*score)(std::string_view prediction, std::string_view answer, const Classes& all);
};
constexpr Metric kMetrics[] = {
    {"qa_f1", qa_f1},         {"rouge", rouge},  {"classification", classification},
    {"retrieval", retrieval}, {"count", count},  {"code_sim", code_sim},
    {"contains", contains},   {"choice", choice}};

}  // namespace

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) names.emplace_back(metric.name);
  return names;
}

double metric_score(std::string_view name, std::string_view prediction, std::string_view answer,
                    const std::vector<std::string>& all_classes) {
  for (const Metric& metric : kMetrics) {
    if (metric.name == name) return metric.score(prediction, answer, all_classes);
  }
  fail(ErrorCode::usage, "metric '{}' is unknown; there are {}", name,
       fmt::join(metric_names(), ", "));
}

}  // namespace lazyllm
