// SPDX-License-Identifier: Apache-2.0
// LongBench v1 (arXiv 2308.14508) as its pred.py and eval.py do it.
#include "lazyllm/evaluation/longbench.h"

#include <algorithm>

#include "base/error.h"
#include "evaluation/json_lines.h"
#include "lazyllm/research/metrics.h"

namespace lazyllm::evaluation {
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

/// LongBench-E's files are asked and scored as those without "_e".
std::string without_e(const std::string& name) {
  const std::string base = name.ends_with("_e") ? name.substr(0, name.size() - 2) : name;
  return family(base) == base && family(name) != name ? base : name;
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

constexpr const char* kPurpose =
    "--data must name a folder with LongBench's dataset2prompt.json, dataset2maxlen.json and "
    "TASK.jsonl files";

/// str.format with the record's fields.
std::string fill_in(const std::string& form, const JsonObject& record) {
  std::string out;
  for (size_t at = 0; at < form.size(); ++at) {
    const bool twice = at + 1 < form.size() && form[at + 1] == form[at];
    if ((form[at] == '{' || form[at] == '}') && twice) {
      out += form[at++];
    } else if (form[at] == '{') {
      const size_t end = form.find('}', at);
      const std::string name = form.substr(at + 1, end == std::string::npos ? end : end - at - 1);
      const bool closed = end != std::string::npos;
      const std::optional<std::string> text = closed ? record.text(name) : std::nullopt;
      if (!text) {
        fail(ErrorCode::invalid_file, "{}: {} is missing, and the prompt wants it", record.where(),
             record.name(name));
      }
      out += *text;
      at = end;
    } else {
      out += form[at];
    }
  }
  return out;
}

/// LongBench-E's, by the record's length in words; none where it does not say.
std::string bucket_of(int64_t length) {
  if (length <= 0) return "";
  if (length < 4000) return "0-4k";
  return length < 8000 ? "4-8k" : "8k+";
}

Record parse_record(const JsonObject& json, const std::string& form) {
  filled_text(json, "context");
  Record record;
  record.where = json.where();
  record.prompt = fill_in(form, json);
  record.answers = filled_texts(json, "answers");
  record.classes = json.texts("all_classes");
  record.gold = record.answers.front();
  record.id = json.text("_id").value_or(json.where());
  record.length = count_or_0(json, "length");
  record.bucket = bucket_of(record.length);
  return record;
}

/// An answer that its metric cannot use is found now, not in an hour.
void check_answers(const std::string& metric, const Record& record) {
  if (metric == "classification" && record.classes.empty()) {
    fail(ErrorCode::invalid_file,
         "{}: \"all_classes\" is missing or empty; the metric classification wants the labels",
         record.where);
  }
  try {
    for (const std::string& answer : record.answers) {
      metric_score(metric, "", answer, record.classes);
    }
  } catch (const Error& error) {
    fail(ErrorCode::invalid_file, "{}: {}", record.where, error.what());
  }
}

std::vector<std::string> tasks_in(const std::filesystem::path& folder) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".jsonl") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  if (names.empty()) {
    fail(ErrorCode::io, "{} holds no TASK.jsonl file", folder.string());
  }
  return names;
}

Task describe(const std::string& name, const std::filesystem::path& folder) {
  Task task;
  task.name = name;
  const std::string_view kind = family(name);
  task.category = "other";
  for (const KnownTask& known : kTasks) {
    if (known.name != kind) continue;
    task.category = known.category;
    if (without_e(name) == kind) task.metric = known.metric;
  }
  if (task.metric.empty()) {
    const Json metrics = read_json_object(folder / "dataset2metric.json", kPurpose);
    const auto metric = metrics.find(name);
    if (metric == metrics.end() || !metric->is_string()) {
      fail(ErrorCode::usage, "task {} is not LongBench's own and {} names no metric for it", name,
           (folder / "dataset2metric.json").string());
    }
    task.metric = metric->get<std::string>();
    const auto known = metric_names();
    if (std::find(known.begin(), known.end(), task.metric) == known.end()) {
      fail(ErrorCode::invalid_file, "{}: metric '{}' of task {} is unknown; there are {}",
           (folder / "dataset2metric.json").string(), task.metric, name, fmt::join(known, ", "));
    }
  }
  task.in_chat_template =
      !is_one_of(kind, {"trec", "triviaqa", "samsum", "lsht", "lcc", "repobench-p"});
  task.first_line_only = is_one_of(kind, {"trec", "triviaqa", "samsum", "lsht"});
  task.stop_at_line_end = kind == "samsum";
  task.cut_middle = true;
  return task;
}

}  // namespace

std::vector<Task> read_longbench(const std::filesystem::path& folder,
                                 const std::vector<std::string>& names, int64_t limit) {
  const Json forms = read_json_object(folder / "dataset2prompt.json", kPurpose);
  const Json lengths = read_json_object(folder / "dataset2maxlen.json", kPurpose);
  std::vector<Task> tasks;
  for (const std::string& name : names.empty() ? tasks_in(folder) : names) {
    const std::filesystem::path path = folder / (name + ".jsonl");
    const auto form = forms.find(without_e(name));
    const auto length = lengths.find(without_e(name));
    if (!std::filesystem::exists(path) || form == forms.end() || !form->is_string() ||
        length == lengths.end() || !length->is_number_integer()) {
      fail(ErrorCode::usage,
           "task {}: {} needs {}.jsonl and an entry in dataset2prompt.json and "
           "dataset2maxlen.json",
           name, folder.string(), name);
    }
    Task task = describe(name, folder);
    task.max_tokens = length->get<int64_t>();
    if (task.max_tokens < 1) {
      fail(ErrorCode::invalid_file, "{}: {} tokens for an answer of task {}; write 1 or more",
           (folder / "dataset2maxlen.json").string(), task.max_tokens, name);
    }
    for_each_line(path, limit, [&](const JsonObject& record) {
      task.records.push_back(parse_record(record, form->get_ref<const std::string&>()));
      check_answers(task.metric, task.records.back());
    });
    tasks.push_back(std::move(task));
  }
  return tasks;
}

}  // namespace lazyllm::evaluation
