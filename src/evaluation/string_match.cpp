// SPDX-License-Identifier: Apache-2.0
#include "evaluation/string_match.h"

#include "evaluation/words.h"

namespace lazyllm::evaluation {
namespace {

/// str.strip()
std::string_view strip(std::string_view text) {
  const auto words = split_words(text);
  if (words.empty()) return {};
  const auto begin = static_cast<size_t>(words.front().data() - text.data());
  const auto end = static_cast<size_t>(words.back().data() + words.back().size() - text.data());
  return text.substr(begin, end - begin);
}

std::string clean(std::string_view prediction) {
  std::string text(strip(prediction));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20) c = '\n';
  }
  return lower(strip(text));
}

size_t count_contained(std::string_view prediction, const std::vector<std::string>& answers) {
  const std::string text = clean(prediction);
  size_t contained = 0;
  for (const std::string& answer : answers) {
    if (text.find(lower(answer)) != std::string::npos) ++contained;
  }
  return contained;
}

}  // namespace

double string_match_all(std::string_view prediction, const std::vector<std::string>& answers) {
  if (answers.empty()) return 0.0;
  return static_cast<double>(count_contained(prediction, answers)) /
         static_cast<double>(answers.size());
}

double string_match_part(std::string_view prediction, const std::vector<std::string>& answers) {
  return count_contained(prediction, answers) > 0 ? 1.0 : 0.0;
}

}  // namespace lazyllm::evaluation
