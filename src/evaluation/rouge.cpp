// SPDX-License-Identifier: Apache-2.0
#include "evaluation/rouge.h"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "evaluation/words.h"

namespace lazyllm::evaluation {
namespace {

using Sentence = std::vector<int32_t>;  // words by number

/// The package walks back through the table by recursion; Python's limit of 1000 frames,
/// less those that a caller has in use, ends longer ways.
constexpr int kMostSteps = 990;

class Numbering {
 public:
  int32_t of(std::string_view word) {
    return known_.try_emplace(std::string(word), static_cast<int32_t>(known_.size())).first->second;
  }

  /// Pieces between full stops; a blank piece is a sentence of one empty word.
  std::vector<Sentence> sentences(std::string_view text) {
    std::vector<Sentence> result;
    while (!text.empty()) {
      const size_t stop = std::min(text.find('.'), text.size());
      const std::string_view piece = text.substr(0, stop);
      text.remove_prefix(std::min(stop + 1, text.size()));
      if (piece.empty()) continue;
      Sentence sentence;
      for (const std::string_view word : split_words(piece)) sentence.push_back(of(word));
      if (sentence.empty()) sentence.push_back(of(""));
      result.push_back(std::move(sentence));
    }
    return result;
  }

 private:
  std::unordered_map<std::string, int32_t> known_;
};

/// Adds the words of a longest common subsequence; false when the way back is too long.
bool add_common(const Sentence& x, const Sentence& y, std::unordered_set<int32_t>& words) {
  const size_t columns = y.size() + 1;
  std::vector<int32_t> table((x.size() + 1) * columns, 0);
  const auto at = [&](size_t i, size_t j) -> int32_t& { return table[i * columns + j]; };
  for (size_t i = 1; i <= x.size(); ++i) {
    for (size_t j = 1; j <= y.size(); ++j) {
      at(i, j) = x[i - 1] == y[j - 1] ? at(i - 1, j - 1) + 1 : std::max(at(i - 1, j), at(i, j - 1));
    }
  }
  int steps = 0;
  for (size_t i = x.size(), j = y.size(); i > 0 && j > 0;) {
    if (++steps > kMostSteps) return false;
    if (x[i - 1] == y[j - 1]) {
      words.insert(x[i - 1]);
      --i;
      --j;
    } else if (at(i - 1, j) > at(i, j - 1)) {
      --i;
    } else {
      --j;
    }
  }
  return true;
}

size_t unique_words(const std::vector<Sentence>& sentences) {
  std::unordered_set<int32_t> words;
  for (const Sentence& sentence : sentences) words.insert(sentence.begin(), sentence.end());
  return words.size();
}

}  // namespace

double rouge_l(std::string_view hypothesis, std::string_view reference) {
  Numbering numbering;
  const std::vector<Sentence> said = numbering.sentences(hypothesis);
  const std::vector<Sentence> wanted = numbering.sentences(reference);
  if (said.empty() || wanted.empty()) return 0.0;
  std::unordered_set<int32_t> common;  // over all sentences of the reference
  for (const Sentence& sentence : wanted) {
    for (const Sentence& other : said) {
      if (!add_common(sentence, other, common)) return 0.0;
    }
  }
  const auto matches = static_cast<double>(common.size());
  const double recall = matches / static_cast<double>(unique_words(wanted));
  const double precision = matches / static_cast<double>(unique_words(said));
  return 2.0 * ((precision * recall) / (precision + recall + 1e-8));
}

}  // namespace lazyllm::evaluation
