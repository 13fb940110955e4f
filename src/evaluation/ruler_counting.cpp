// SPDX-License-Identifier: Apache-2.0
// RULER's cwe and fwe: which words come most often?
#include <cmath>
#include <numbers>
#include <set>

#include "base/error.h"
#include "evaluation/ruler_task.h"
#include "evaluation/ruler_words.h"

namespace lazyllm::evaluation {
namespace {

/// Ten common words among others, as a numbered list; an example of the same kind before it.
class CommonWordsGenerator : public RulerGenerator {
 public:
  explicit CommonWordsGenerator(const RulerSources& sources)
      : texts_(sources.templates.at("cwe")),
        words_(list_words()),
        main_(sources.is_short() ? Repeats{6, 1} : Repeats{30, 3}),
        example_(sources.is_short() ? Repeats{3, 1} : Repeats{10, 3}),
        example_words_(sources.is_short() ? 20 : 40) {}

  int64_t smallest_size() const override { return 2 * kCommon; }
  int64_t largest_size() const override { return static_cast<int64_t>(words_.size()); }
  int64_t step() const override { return 10; }

  RulerSample make(int64_t size, Random& random) const override {
    const RulerSample example = compose(example_words_, example_, random);
    RulerSample sample = compose(size, main_, random);
    sample.prompt = example.prompt + example.answer_prefix + example.gold + "\n" + sample.prompt;
    return sample;
  }

 private:
  static constexpr int64_t kCommon = 10;
  struct Repeats {
    int common, uncommon;
  };

  RulerSample compose(int64_t size, Repeats repeats, Random& random) const {
    RulerSample sample;
    std::vector<std::string> all;
    for (const size_t index : random.sample(words_.size(), static_cast<size_t>(size))) {
      const bool common = sample.answers.size() < kCommon;
      if (common) sample.answers.push_back(words_[index]);
      all.insert(all.end(), static_cast<size_t>(common ? repeats.common : repeats.uncommon),
                 words_[index]);
    }
    random.shuffle(all);
    sample.prompt = replace_all(texts_.text, "{context}", numbered(all));
    sample.answer_prefix = texts_.answer_prefix;
    sample.gold = fmt::format(" {}", numbered(sample.answers));
    return sample;
  }

  const RulerTemplate& texts_;
  const std::vector<std::string> words_;
  const Repeats main_, example_;
  const int64_t example_words_;
};

/// Coded words whose numbers follow Zipf's law; the commonest is noise.
class FrequentWordsGenerator : public RulerGenerator {
 public:
  explicit FrequentWordsGenerator(const RulerSources& sources)
      : texts_(sources.templates.at("fwe")),
        vocabulary_size_(std::max<int64_t>(
            (sources.options.max_length - texts_.tokens_to_generate) / kTokensPerWord, 5)) {}

  // The third and the fourth word still differ in number.
  int64_t smallest_size() const override { return 100; }
  int64_t step() const override { return 50; }

  RulerSample make(int64_t size, Random& random) const override {
    std::set<std::string> drawn;
    while (static_cast<int64_t>(drawn.size()) < vocabulary_size_) {
      std::string word;
      for (int i = 0; i < kLetters; ++i) word += static_cast<char>('a' + random.below(26));
      drawn.insert(word);
    }
    std::vector<std::string> vocabulary(drawn.begin(), drawn.end());
    random.shuffle(vocabulary);
    vocabulary[0] = "...";
    constexpr double kZeta2 = std::numbers::pi * std::numbers::pi / 6.0;  // alpha is 2
    std::vector<std::string> all;
    for (size_t i = 0; i < vocabulary.size(); ++i) {
      const double rank = static_cast<double>(i) + 1.0;
      const auto count = static_cast<size_t>(static_cast<double>(size) / (rank * rank) / kZeta2);
      all.insert(all.end(), count, vocabulary[i]);
    }
    random.shuffle(all);
    RulerSample sample;
    sample.prompt = replace_all(texts_.text, "{context}", join(all, " "));
    sample.answer_prefix = texts_.answer_prefix;
    sample.answers.assign(vocabulary.begin() + 1, vocabulary.begin() + 4);
    sample.gold = fmt::format(" {}", join(sample.answers, ", "));
    return sample;
  }

 private:
  static constexpr int kLetters = 6;
  static constexpr int64_t kTokensPerWord = 50;
  const RulerTemplate& texts_;
  const int64_t vocabulary_size_;
};

}  // namespace

std::unique_ptr<RulerGenerator> make_common_words_generator(const RulerSources& sources) {
  return std::make_unique<CommonWordsGenerator>(sources);
}
std::unique_ptr<RulerGenerator> make_frequent_words_generator(const RulerSources& sources) {
  return std::make_unique<FrequentWordsGenerator>(sources);
}

}  // namespace lazyllm::evaluation
