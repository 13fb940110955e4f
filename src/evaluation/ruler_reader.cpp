// SPDX-License-Identifier: Apache-2.0
// RULER's texts and samples from files.
#include "base/error.h"
#include "evaluation/json_lines.h"
#include "lazyllm/evaluation/ruler.h"

namespace lazyllm::evaluation {
namespace {

using Json = nlohmann::json;

constexpr int64_t kFastKvTokens = 64;  // for every task

struct KnownKind {
  std::string_view prefix, category;
  int64_t max_tokens;
};
constexpr KnownKind kKinds[] = {{"niah", "retrieval", 128},
                                {"vt", "tracing", 30},
                                {"cwe", "aggregation", 120},
                                {"fwe", "aggregation", 50},
                                {"qa_", "qa", 32}};

/// A number or a text, as the files have either.
std::string id_of(const JsonObject& record) {
  const auto index = record.raw().find("index");
  if (index == record.raw().end() || index->is_null()) return record.where();
  return index->is_string() ? index->get<std::string>() : index->dump();
}

void require_fields(const std::string& text, std::initializer_list<const char*> fields,
                    const std::string& where) {
  for (const char* field : fields) {
    if (text.find(field) == std::string::npos) {
      fail(ErrorCode::invalid_file, "{}: the text has no {}", where, field);
    }
  }
}

}  // namespace

RulerTemplates read_ruler_templates(const std::filesystem::path& path) {
  const Json file = read_json_object(
      path, "--data must name RULER's texts: a templates.json or a folder with one");
  RulerTemplates templates;
  for (const auto& [kind, entry] : file.items()) {
    const std::string where = fmt::format("{}: {}", path.string(), kind);
    if (!entry.is_object()) fail(ErrorCode::invalid_file, "{}: not a JSON object", where);
    const JsonObject object(entry, where, "", "correct the file");
    RulerTemplate texts;
    texts.text = filled_text(object, "template");
    texts.answer_prefix = object.require(object.text("answer_prefix"), "answer_prefix");
    require_fields(texts.text, {"{context}"}, where + ": template");
    if (kind == "niah") {
      texts.needle = filled_text(object, "needle");
      texts.noise = filled_text(object, "noise");
      require_fields(texts.text, {"{query}"}, where + ": template");
      require_fields(texts.needle, {"{key}", "{value}"}, where + ": needle");
    } else if (kind == "vt") {
      require_fields(texts.text, {"{query}"}, where + ": template");
    }
    texts.tokens_to_generate = count_or_0(object, "tokens_to_generate");
    if (texts.tokens_to_generate < 1) {
      fail(ErrorCode::invalid_file, "{}: tokens_to_generate must be a number of tokens", where);
    }
    templates[kind] = std::move(texts);
  }
  return templates;
}

Task read_ruler_task(const std::filesystem::path& path, int64_t limit) {
  Task task;
  const bool official_layout = path.stem() == "validation" && path.has_parent_path();
  task.name = official_layout ? path.parent_path().filename().string() : path.stem().string();
  task.category = "other";
  int64_t official_tokens = kFastKvTokens;
  for (const KnownKind& kind : kKinds) {
    if (!task.name.starts_with(kind.prefix)) continue;
    task.category = kind.category;
    official_tokens = kind.max_tokens;
  }
  task.metric = task.category == "qa" ? "string_match_part" : "string_match_all";
  for_each_line(path, limit, [&](const JsonObject& json) {
    Record record;
    record.where = json.where();
    record.id = fmt::format("{}-{}", id_of(json), task.records.size());
    record.prompt = filled_text(json, "input");
    record.answers = filled_texts(json, "outputs");
    record.length = count_or_0(json, "length");
    // Some writers give numbers as the prefix's place: only a text counts.
    const auto prefix = json.raw().find("answer_prefix");
    const bool official = prefix != json.raw().end() && prefix->is_string();
    if (official) record.answer_prefix = prefix->get<std::string>();
    const int64_t tokens = official ? official_tokens : kFastKvTokens;
    if (task.max_tokens != 0 && task.max_tokens != tokens) {
      fail(ErrorCode::invalid_file,
           "{}: some records of the file have an answer_prefix and some have not", record.where);
    }
    task.max_tokens = tokens;
    if (!record.answer_prefix.ends_with(' ')) record.gold.assign(1, ' ');
    for (size_t i = 0; i < record.answers.size(); ++i) {
      record.gold += (i > 0 ? ", " : "") + record.answers[i];
    }
    task.records.push_back(std::move(record));
  });
  return task;
}

}  // namespace lazyllm::evaluation
