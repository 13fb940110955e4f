// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/ruler.h"

#include <algorithm>

#include "base/error.h"
#include "evaluation/ruler_task.h"
#include "evaluation/words.h"

namespace lazyllm::evaluation {
namespace {

/// "niah" of "niah_single_1"; empty for what is not generated.
std::string kind_of(const std::string& task) {
  if (find_niah_task(task) != nullptr) return "niah";
  for (const char* kind : {"vt", "cwe", "fwe"}) {
    if (task == kind) return kind;
  }
  return "";
}

std::unique_ptr<RulerGenerator> make_generator(const std::string& task,
                                               const RulerSources& sources) {
  const std::string kind = kind_of(task);
  if (kind == "niah") return make_niah_generator(task, sources);
  if (kind == "vt") return make_variable_tracking_generator(sources);
  if (kind == "cwe") return make_common_words_generator(sources);
  return make_frequent_words_generator(sources);
}

/// Makes one task's samples, each as large as the length allows.
class SampleMaker {
 public:
  SampleMaker(const std::string& task, const RulerSources& sources)
      : task_(task),
        sources_(sources),
        generator_(make_generator(task, sources)),
        tokens_to_generate_(sources.templates.at(kind_of(task)).tokens_to_generate) {
    size_ = largest_that_fits();
  }

  Record make(int64_t index) const {
    RulerSample sample;
    for (int64_t size = size_;; size -= generator_->step()) {
      if (size < generator_->smallest_size()) size = generator_->smallest_size();
      sample = draw(size, index);
      if (fits(sample)) break;
      if (size == generator_->smallest_size()) refuse();
    }
    Record record;
    record.id = fmt::format("{}-{}-{}", task_, sources_.options.max_length, index);
    record.where = fmt::format("ruler {} (seed {})", record.id, sources_.options.seed);
    record.length = tokens(sample);
    record.prompt = std::move(sample.prompt);
    record.answer_prefix = std::move(sample.answer_prefix);
    record.answers = std::move(sample.answers);
    record.gold = std::move(sample.gold);
    return record;
  }

 private:
  RulerSample draw(int64_t size, int64_t index) const {
    Random random(sources_.options.seed,
                  fmt::format("{} {} {}", task_, sources_.options.max_length, index));
    return generator_->make(size, random);
  }
  /// With the answer's.
  int64_t tokens(const RulerSample& sample) const {
    return sources_.count(sample.prompt, sample.answer_prefix) + tokens_to_generate_;
  }
  bool fits(const RulerSample& sample) const {
    return tokens(sample) <= sources_.options.max_length;
  }
  [[noreturn]] void refuse() const {
    fail(ErrorCode::usage,
         "ruler task {}: --max-length {} has no room for its smallest prompt and {} tokens of an "
         "answer; give a larger one or leave the task out with --tasks",
         task_, sources_.options.max_length, tokens_to_generate_);
  }

  int64_t largest_that_fits() const {
    int64_t low = generator_->smallest_size();
    const int64_t most = generator_->largest_size();
    if (!fits(draw(low, 0))) refuse();
    int64_t high = std::min(2 * low, most);
    while (high < most && fits(draw(high, 0))) {
      low = high;
      high = std::min(2 * high, most);
    }
    if (high == most && fits(draw(high, 0))) return high;
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      (fits(draw(middle, 0)) ? low : high) = middle;
    }
    return low;
  }

  const std::string task_;
  const RulerSources& sources_;
  const std::unique_ptr<RulerGenerator> generator_;
  const int64_t tokens_to_generate_;
  int64_t size_ = 0;
};

void check(const std::string& task, const RulerSources& sources) {
  const std::string kind = kind_of(task);
  if (kind.empty()) {
    fail(ErrorCode::usage, "ruler task {}: unknown; those that are generated are {}", task,
         fmt::join(ruler_task_names(), ", "));
  }
  for (const std::string& wanted : {kind, std::string(kind == "vt" ? "niah" : kind)}) {
    if (!sources.templates.contains(wanted)) {
      fail(ErrorCode::invalid_file, "ruler task {}: the templates have no entry '{}'", task,
           wanted);
    }
  }
  if (ruler_task_needs_essay(task) && sources.essay_words.empty()) {
    fail(ErrorCode::usage,
         "ruler task {} hides its needles in an essay; name a long text with --haystack", task);
  }
}

std::string category_of(const std::string& kind) {
  if (kind == "niah") return "retrieval";
  return kind == "vt" ? "tracing" : "aggregation";
}

}  // namespace

std::vector<std::string> ruler_task_names() {
  std::vector<std::string> names = niah_task_names();
  names.insert(names.end(), {"vt", "cwe", "fwe"});
  return names;
}

bool ruler_task_needs_essay(const std::string& task) {
  const NiahTask* niah = find_niah_task(task);
  return niah != nullptr && niah->haystack == NiahTask::Haystack::essay;
}

std::vector<Task> make_ruler_tasks(const RulerOptions& options, const RulerTemplates& templates,
                                   const std::string& essay, const TokenCounter& count) {
  const RulerSources sources{options, templates, split_words(essay), count};
  const std::vector<std::string> names = options.tasks.empty() ? ruler_task_names() : options.tasks;
  for (const std::string& name : names) check(name, sources);
  std::vector<Task> tasks;
  for (const std::string& name : names) {
    Task task;
    task.name = name;
    task.category = category_of(kind_of(name));
    task.metric = "string_match_all";
    task.max_tokens = templates.at(kind_of(name)).tokens_to_generate;
    const SampleMaker maker(name, sources);
    for (int64_t i = 0; i < options.samples; ++i) task.records.push_back(maker.make(i));
    tasks.push_back(std::move(task));
  }
  return tasks;
}

std::string replace_all(std::string form, std::string_view name, std::string_view value) {
  for (size_t at = 0; (at = form.find(name, at)) != std::string::npos; at += value.size()) {
    form.replace(at, name.size(), value);
  }
  return form;
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string result;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) result += separator;
    result += parts[i];
  }
  return result;
}

std::string numbered(const std::vector<std::string>& words) {
  std::string result;
  for (size_t i = 0; i < words.size(); ++i) {
    result += fmt::format("{}{}. {}", i > 0 ? " " : "", i + 1, words[i]);
  }
  return result;
}

}  // namespace lazyllm::evaluation
