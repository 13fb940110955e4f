// SPDX-License-Identifier: Apache-2.0
// RULER's needle tasks: keys with values, hidden in noise, an essay or among other needles.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evaluation/ruler_task.h"
#include "evaluation/ruler_words.h"
#include "evaluation/sentences.h"

namespace lazyllm::evaluation {
namespace {

using Haystack = NiahTask::Haystack;

constexpr NiahTask kTasks[] = {
    {"niah_single_1", Haystack::noise, false, false, 1, 1, 1},
    {"niah_single_2", Haystack::essay, false, false, 1, 1, 1},
    {"niah_single_3", Haystack::essay, false, true, 1, 1, 1},
    {"niah_multikey_1", Haystack::essay, false, false, 4, 1, 1},
    {"niah_multikey_2", Haystack::needle, false, false, 1, 1, 1},
    {"niah_multikey_3", Haystack::needle, true, true, 1, 1, 1},
    {"niah_multivalue", Haystack::essay, false, false, 1, 4, 1},
    {"niah_multiquery", Haystack::essay, false, false, 1, 1, 4},
};

constexpr int kDepths = 40;  // possible places in an essay, equally spaced

std::string draw_uuid(Random& random) {
  const uint64_t high = (random.below(UINT64_MAX) & ~uint64_t{0xf000}) | 0x4000;
  const uint64_t low = (random.below(UINT64_MAX) & ~(uint64_t{3} << 62)) | uint64_t{1} << 63;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, high >> 16 & 0xffff,
                     high & 0xffff, low >> 48, low & 0xffffffffffff);
}

class NiahGenerator : public RulerGenerator {
 public:
  NiahGenerator(const NiahTask& task, const RulerSources& sources)
      : task_(task), sources_(sources), texts_(sources.templates.at("niah")) {
    value_type_ = task.uuid_values ? "uuids" : "numbers";
    if (task.queries * task.values == 1) {
      // The template speaks of many; RULER makes it speak of one by plain replacement.
      for (std::string* text : {&texts_.text, &texts_.answer_prefix}) {
        *text = replace_all(std::move(*text), "Some", "A");
        *text = replace_all(std::move(*text), "are all", "is");
        *text = replace_all(std::move(*text), "are", "is");
        *text = replace_all(std::move(*text), "answers", "answer");
      }
      asked_type_ = value_type_.substr(0, value_type_.size() - 1);
    } else {
      asked_type_ = value_type_;
    }
  }

  int64_t smallest_size() const override {
    // At least one sentence or unit for each needle.
    return task_.haystack == Haystack::essay ? 20 : std::max(task_.keys, task_.queries);
  }
  int64_t step() const override {
    if (task_.haystack == Haystack::essay) return sources_.is_short() ? 50 : 500;
    return sources_.is_short() ? 5 : 25;
  }

  RulerSample make(int64_t size, Random& random) const override {
    const int keys = std::max(task_.keys, task_.queries);
    std::vector<std::string> names, needles;
    std::vector<std::vector<std::string>> values(static_cast<size_t>(keys));
    for (auto& of_key : values) {
      names.push_back(draw_key(names, random));
      for (int i = 0; i < task_.values; ++i) {
        of_key.push_back(task_.uuid_values ? draw_uuid(random) : draw_number(random));
        needles.push_back(needle(names.back(), of_key.back()));
      }
    }
    random.shuffle(needles);

    RulerSample sample;
    std::vector<std::string> queries;
    for (const size_t key : random.sample(names.size(), static_cast<size_t>(task_.queries))) {
      queries.push_back(names[key]);
      sample.answers.insert(sample.answers.end(), values[key].begin(), values[key].end());
    }
    const std::string context = task_.haystack == Haystack::essay
                                    ? hide_in_essay(needles, size, random)
                                    : hide_among_units(needles, names, size, random);
    const auto fill = [&](std::string form) {
      form = replace_all(std::move(form), "{type_needle_v}", asked_type_);
      form = replace_all(std::move(form), "{query}", enumerate(queries));
      return replace_all(std::move(form), "{context}", context);
    };
    sample.prompt = fill(texts_.text);
    sample.answer_prefix = fill(texts_.answer_prefix);
    sample.gold = fmt::format(" {}", join(sample.answers, ", "));
    return sample;
  }

 private:
  static std::string draw_number(Random& random) {
    return std::to_string(random.between(1000000, 9999999));
  }
  /// None of those that are taken: a question must have one answer.
  std::string draw_key(const std::vector<std::string>& taken, Random& random) const {
    while (true) {
      std::string key = task_.uuid_keys ? draw_uuid(random) : draw_key_words(random);
      if (std::find(taken.begin(), taken.end(), key) == taken.end()) return key;
    }
  }
  std::string needle(const std::string& key, const std::string& value) const {
    std::string text = replace_all(texts_.needle, "{type_needle_v}", value_type_);
    return replace_all(replace_all(std::move(text), "{key}", key), "{value}", value);
  }

  std::string hide_in_essay(const std::vector<std::string>& needles, int64_t words,
                            Random& random) const {
    std::string essay;
    for (int64_t i = 0; i < words; ++i) {
      if (i > 0) essay += ' ';
      essay += sources_.essay_words[static_cast<size_t>(i) % sources_.essay_words.size()];
    }
    const std::vector<std::string_view> sentences = split_sentences(essay);
    std::vector<size_t> places;
    for (const size_t depth : random.sample(kDepths, needles.size())) {
      const double percent = std::nearbyint(100.0 * static_cast<double>(depth) / (kDepths - 1));
      places.push_back(
          static_cast<size_t>(static_cast<double>(sentences.size()) * (percent / 100.0)));
    }
    std::sort(places.begin(), places.end());
    std::vector<std::string> parts;
    size_t next = 0;
    for (size_t i = 0; i <= sentences.size(); ++i) {
      for (; next < places.size() && places[next] == i; ++next) parts.push_back(needles[next]);
      if (i < sentences.size()) parts.push_back(collapse_white_space(sentences[i]));
    }
    return join(parts, " ");
  }

  std::string hide_among_units(const std::vector<std::string>& needles,
                               const std::vector<std::string>& names, int64_t size,
                               Random& random) const {
    std::vector<std::string> units;
    for (int64_t i = 0; i < size; ++i) {
      if (task_.haystack == Haystack::noise) {
        units.push_back(texts_.noise);
      } else {
        const std::string key = draw_key(names, random);
        units.push_back(needle(key, task_.uuid_values ? draw_uuid(random) : draw_number(random)));
      }
    }
    std::vector<size_t> places = random.sample(units.size(), needles.size());
    std::sort(places.rbegin(), places.rend());
    for (size_t i = 0; i < places.size(); ++i) {
      units.insert(units.begin() + static_cast<std::ptrdiff_t>(places[i]), needles[i]);
    }
    return join(units, "\n");
  }

  const NiahTask& task_;
  const RulerSources& sources_;
  RulerTemplate texts_;
  std::string value_type_, asked_type_;
};

}  // namespace

const NiahTask* find_niah_task(std::string_view name) {
  const auto found = std::find_if(std::begin(kTasks), std::end(kTasks),
                                  [&](const NiahTask& task) { return task.name == name; });
  return found == std::end(kTasks) ? nullptr : found;
}

std::vector<std::string> niah_task_names() {
  std::vector<std::string> names;
  for (const NiahTask& task : kTasks) names.emplace_back(task.name);
  return names;
}

std::unique_ptr<RulerGenerator> make_niah_generator(const std::string& task,
                                                    const RulerSources& sources) {
  return std::make_unique<NiahGenerator>(*find_niah_task(task), sources);
}

}  // namespace lazyllm::evaluation
