// SPDX-License-Identifier: Apache-2.0
// RULER's vt: a chain of assignments in noise; which variables hold the value?
#include <algorithm>
#include <set>

#include "base/error.h"
#include "evaluation/ruler_task.h"

namespace lazyllm::evaluation {
namespace {

constexpr size_t kHops = 4;
constexpr int64_t kExampleTokens = 500;

struct Chain {
  std::vector<std::string> variables, statements;
  std::string value;
};

Chain draw_chain(size_t letters, Random& random) {
  std::set<std::string> known;
  Chain chain;
  while (chain.variables.size() <= kHops) {
    std::string name;
    for (size_t i = 0; i < letters; ++i) name += static_cast<char>('A' + random.below(26));
    if (known.insert(name).second) chain.variables.push_back(name);
  }
  chain.value = std::to_string(random.between(10000, 99999));
  chain.statements.push_back(fmt::format("VAR {} = {}", chain.variables[0], chain.value));
  for (size_t i = 1; i <= kHops; ++i) {
    chain.statements.push_back(
        fmt::format("VAR {} = VAR {} ", chain.variables[i], chain.variables[i - 1]));
  }
  return chain;
}

class VariableTrackingGenerator : public RulerGenerator {
 public:
  explicit VariableTrackingGenerator(const RulerSources& sources)
      : sources_(sources),
        texts_(sources.templates.at("vt")),
        noise_(sources.templates.at("niah").noise) {
    // The example grows up to its limit; a short prompt gets a shorter one than RULER's.
    const int64_t limit = std::min(kExampleTokens, sources.options.max_length / 4);
    Random random(sources.options.seed, "vt example");
    example_size_ = smallest_size();
    const auto fits = [&](int64_t size) {
      Random same = random;
      const RulerSample sample = compose(draw_chain(3, same), size, same);
      return sources_.count(sample.prompt, sample.answer_prefix) <= limit;
    };
    while (fits(example_size_ + 1)) ++example_size_;
  }

  int64_t smallest_size() const override { return kHops + 1; }
  int64_t step() const override { return sources_.is_short() ? 5 : 10; }

  RulerSample make(int64_t size, Random& random) const override {
    const RulerSample example = compose(draw_chain(3, random), example_size_, random);
    RulerSample sample = compose(draw_chain(5, random), size, random);
    sample.prompt = example.prompt + example.answer_prefix + example.gold + "\n" + sample.prompt;
    return sample;
  }

 private:
  RulerSample compose(const Chain& chain, int64_t size, Random& random) const {
    std::vector<std::string> sentences(static_cast<size_t>(size), noise_ + "\n");
    std::vector<size_t> places = random.sample(sentences.size(), chain.statements.size());
    std::sort(places.begin(), places.end());
    for (size_t i = 0; i < places.size(); ++i) {
      sentences.insert(sentences.begin() + static_cast<std::ptrdiff_t>(places[i] + i),
                       chain.statements[i]);
    }
    const std::string context = replace_all(join(sentences, " "), ". \n", ".\n");
    const auto fill = [&](std::string form) {
      form = replace_all(std::move(form), "{num_v}", std::to_string(chain.variables.size()));
      form = replace_all(std::move(form), "{query}", chain.value);
      return replace_all(std::move(form), "{context}", context);
    };
    return {fill(texts_.text), fill(texts_.answer_prefix), chain.variables,
            join(chain.variables, " ")};
  }

  const RulerSources& sources_;
  const RulerTemplate& texts_;
  const std::string noise_;
  int64_t example_size_ = 0;
};

}  // namespace

std::unique_ptr<RulerGenerator> make_variable_tracking_generator(const RulerSources& sources) {
  return std::make_unique<VariableTrackingGenerator>(sources);
}

}  // namespace lazyllm::evaluation
