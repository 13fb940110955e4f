// SPDX-License-Identifier: Apache-2.0
// LongBench v1 (arXiv 2308.14508) as its pred.py and eval.py do it.
#include "eval_longbench.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "lazyllm/lazyllm.h"

namespace lazyllm::cli {
namespace {

using Json = nlohmann::json;

struct KnownTask {
  std::string_view name, category, metric;
};
constexpr KnownTask kTasks[] = {
    {"narrativeqa", "single-doc QA", "qa_f1"},
    {"qasper", "single-doc QA", "qa_f1"},
    {"multifieldqa_en", "single-doc QA", "qa_f1"},
    {"hotpotqa", "multi-doc QA", "qa_f1"},
    {"2wikimqa", "multi-doc QA", "qa_f1"},
    {"musique", "multi-doc QA", "qa_f1"},
    {"gov_report", "summarization", "rouge"},
    {"qmsum", "summarization", "rouge"},
    {"multi_news", "summarization", "rouge"},
    {"trec", "few-shot", "classification"},
    {"triviaqa", "few-shot", "qa_f1"},
    {"samsum", "few-shot", "rouge"},
    {"passage_count", "synthetic", "count"},
    {"passage_retrieval_en", "synthetic", "retrieval"},
    {"lcc", "code", "code_sim"},
    {"repobench-p", "code", "code_sim"},
};

/// "trec" of "trec_fewshot": a variant is asked as the task it was made from.
std::string_view family(std::string_view task) {
  for (const KnownTask& known : kTasks) {
    if (task == known.name) return known.name;
  }
  for (const KnownTask& known : kTasks) {
    if (task.starts_with(known.name) && task.substr(known.name.size()).starts_with("_")) {
      return known.name;
    }
  }
  return task;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Json read_json(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw Error(ErrorCode::io,
                fmt::format("cannot read {}; --data must name a folder with LongBench's "
                            "dataset2prompt.json, dataset2maxlen.json and TASK.jsonl files",
                            path.string()));
  }
  Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    throw Error(ErrorCode::invalid_file, fmt::format("{} is not a JSON object", path.string()));
  }
  return json;
}

/// str.format with the record's fields.
std::string fill_in(const std::string& form, const Json& record, const std::string& where) {
  std::string out;
  for (size_t at = 0; at < form.size(); ++at) {
    const bool twice = at + 1 < form.size() && form[at + 1] == form[at];
    if ((form[at] == '{' || form[at] == '}') && twice) {
      out += form[at++];
    } else if (form[at] == '{') {
      const size_t end = form.find('}', at);
      const std::string name = form.substr(at + 1, end == std::string::npos ? end : end - at - 1);
      const auto field = record.find(name);
      if (end == std::string::npos || field == record.end() || !field->is_string()) {
        throw Error(ErrorCode::invalid_file,
                    fmt::format("{}: the prompt wants the text field '{}'", where, name));
      }
      out += field->get_ref<const std::string&>();
      at = end;
    } else {
      out += form[at];
    }
  }
  return out;
}

std::vector<std::string> texts(const Json& record, const char* name, const std::string& where,
                               bool required) {
  const auto field = record.find(name);
  if (field == record.end() || field->is_null()) {
    if (!required) return {};
    throw Error(ErrorCode::invalid_file, fmt::format("{}: the field '{}' is missing", where, name));
  }
  std::vector<std::string> result;
  if (field->is_array()) {
    for (const Json& text : *field) {
      if (text.is_string()) result.push_back(text.get<std::string>());
    }
  }
  if (result.size() != field->size() || (required && result.empty())) {
    throw Error(ErrorCode::invalid_file,
                fmt::format("{}: the field '{}' must be a list of texts", where, name));
  }
  return result;
}

EvalRecord parse_record(const std::string& line, const std::string& form,
                        const std::string& where) {
  const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    throw Error(ErrorCode::invalid_file, fmt::format("{}: not a JSON object", where));
  }
  const auto context = json.find("context");
  if (context == json.end() || !context->is_string() ||
      context->get_ref<const std::string&>().empty()) {
    throw Error(ErrorCode::invalid_file,
                fmt::format("{}: the field 'context' is missing or empty", where));
  }
  EvalRecord record;
  record.prompt = fill_in(form, json, where);
  record.answers = texts(json, "answers", where, true);
  record.classes = texts(json, "all_classes", where, false);
  const auto id = json.find("_id");
  record.id = id != json.end() && id->is_string() ? id->get<std::string>() : where;
  const auto length = json.find("length");
  if (length != json.end() && length->is_number_integer()) record.length = length->get<int64_t>();
  return record;
}

std::vector<std::string> tasks_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    throw Error(ErrorCode::io, fmt::format("{} holds no TASK.jsonl file", folder.string()));
  }
  return names;
}

EvalTask describe(const std::string& name, const std::filesystem::path& folder) {
  EvalTask task;
  task.name = name;
  const std::string_view kind = family(name);
  task.category = "other";
  for (const KnownTask& known : kTasks) {
    if (known.name != kind) continue;
    task.category = known.category;
    if (name == kind) task.metric = known.metric;
  }
  if (task.metric.empty()) {
    const Json metrics = read_json(folder / "dataset2metric.json");
    const auto metric = metrics.find(name);
    if (metric == metrics.end() || !metric->is_string()) {
      throw Error(ErrorCode::usage,
                  fmt::format("task {} is not LongBench's own and {} names no metric for it", name,
                              (folder / "dataset2metric.json").string()));
    }
    task.metric = metric->get<std::string>();
    const auto known = metric_names();
    if (std::find(known.begin(), known.end(), task.metric) == known.end()) {
      throw Error(ErrorCode::invalid_file,
                  fmt::format("{}: metric '{}' of task {} is unknown; there are {}",
                              (folder / "dataset2metric.json").string(), task.metric, name,
                              fmt::join(known, ", ")));
    }
  }
  task.in_chat_template =
      !is_one_of(kind, {"trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"});
  task.first_line_only = is_one_of(kind, {"trec", "triviaqa", "samsum", "lsht"});
  task.stop_at_line_end = kind == "samsum";
  return task;
}

}  // namespace

std::vector<EvalTask> read_longbench(const std::filesystem::path& folder,
                                     const std::vector<std::string>& names, int64_t limit) {
  const Json forms = read_json(folder / "dataset2prompt.json");
  const Json lengths = read_json(folder / "dataset2maxlen.json");
  std::vector<EvalTask> tasks;
  for (const std::string& name : names.empty() ? tasks_in(folder) : names) {
    const std::filesystem::path path = folder / (name + ".jsonl");
    std::ifstream file(path, std::ios::binary);
    const auto form = forms.find(name);
    const auto length = lengths.find(name);
    if (!file || form == forms.end() || !form->is_string() || length == lengths.end() ||
        !length->is_number_integer()) {
      throw Error(ErrorCode::usage,
                  fmt::format("task {}: {} needs {}.jsonl and an entry in dataset2prompt.json and "
                              "dataset2maxlen.json",
                              name, folder.string(), name));
    }
    EvalTask task = describe(name, folder);
    task.max_tokens = length->get<int64_t>();
    std::string line;
    for (int64_t number = 1; std::getline(file, line); ++number) {
      if (limit > 0 && static_cast<int64_t>(task.records.size()) == limit) break;
      if (line.empty()) continue;
      task.records.push_back(parse_record(line, form->get_ref<const std::string&>(),
                                          fmt::format("{}:{}", path.string(), number)));
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

double score_prediction(const EvalTask& task, const EvalRecord& record, std::string prediction) {
  if (task.first_line_only) {
    prediction.erase(0, std::min(prediction.find_first_not_of('\n'), prediction.size()));
    prediction.erase(std::min(prediction.find('\n'), prediction.size()));
  }
  double best = 0.0;
  for (const std::string& answer : record.answers) {
    best = std::max(best, metric_score(task.metric, prediction, answer, record.classes));
  }
  return best;
}

}  // namespace lazyllm::cli
