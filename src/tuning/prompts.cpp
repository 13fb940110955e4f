// SPDX-License-Identifier: Apache-2.0
#include "tuning/prompts.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include "base/json_object.h"
#include "evaluation/json_lines.h"
#include "lazyllm/evaluation/longbench.h"
#include "lazyllm/evaluation/needle.h"
#include "lazyllm/evaluation/prompt_builder.h"
#include "lazyllm/evaluation/texts.h"

namespace lazyllm::tuning {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr size_t kMostAnswerTokens = 24;
constexpr int64_t kShorter = 2;  // every other prompt made of texts is so many times shorter
constexpr int64_t kRoomForSeveral = 400;  // tokens of four needles and their question, and as many
constexpr int64_t kHoldOutEvery = 3;

class Maker {
 public:
  Maker(const TunePromptOptions& options, const std::shared_ptr<const Model>& model)
      : options_(options), model_(model), builder_(model, options.no_chat, options.tokens) {}

  std::vector<TunePrompt> make() {
    for (const std::string& data : options_.data) read(data);
    if (!texts_.empty()) {
      check_length();
      add_needles();
      add_windows();
    }
    if (prompts_.empty()) {
      throw Error(ErrorCode::usage,
                  "--data holds no prompts; give texts (.txt), a jsonl file with \"prompt\" and "
                  "\"answer\", or a folder with LongBench's files");
    }
    hold_out();
    return std::move(prompts_);
  }

 private:
  /// Of what is made from texts; records are cut.
  void check_length() const {
    const int64_t context = model_->info().context_length;
    if (options_.tokens + static_cast<int64_t>(kMostAnswerTokens) <= context) return;
    throw Error(ErrorCode::usage,
                fmt::format("--length {}: with {} tokens of an answer it does not fit into the "
                            "model's context of {}",
                            options_.tokens, kMostAnswerTokens, context));
  }

  void read(const fs::path& path) {
    std::error_code error;
    if (fs::exists(path / "dataset2prompt.json", error)) {
      add_longbench(path);
    } else if (path.extension() == ".jsonl") {
      add_records(path);
    } else {
      for (evaluation::NamedText& text : evaluation::read_texts("--data", path))
        texts_.push_back(std::move(text));
    }
  }

  bool wanted(int64_t line) const {
    return options_.records == "all" || (line % 2 == 0) == (options_.records == "even");
  }

  void add(TuneKind kind, const std::string& name, ChatPrompt prompt, std::vector<TokenId> answer) {
    answer.resize(std::min(answer.size(), kMostAnswerTokens));
    if (answer.empty()) return;
    prompts_.push_back({kind, name, std::move(prompt.tokens), std::move(answer),
                        std::move(prompt.protected_ranges)});
  }

  void add_longbench(const fs::path& folder) {
    for (evaluation::Task& task : evaluation::read_longbench(folder, {}, 0)) {
      task.max_tokens = kMostAnswerTokens;
      int64_t taken = 0;
      for (const evaluation::Record& record : task.records) {
        // `where` ends in the line: "trec.jsonl:12"
        const int64_t line = std::stoll(record.where.substr(record.where.rfind(':') + 1));
        if (!wanted(line) || (options_.limit > 0 && taken == options_.limit)) continue;
        ++taken;
        add(TuneKind::record, fmt::format("{}:{}", task.name, line), builder_.prompt(task, record),
            builder_.answer(task, record));
      }
    }
  }

  void add_records(const fs::path& path) {
    std::istringstream file(read_document(path.string()));
    evaluation::Task task;
    task.max_tokens = kMostAnswerTokens;
    task.cut_middle = true;
    std::string line;
    int64_t taken = 0;
    for (int64_t number = 1; std::getline(file, line); ++number) {
      if (line.empty() || line == "\r" || !wanted(number)) continue;
      if (options_.limit > 0 && taken++ == options_.limit) break;
      evaluation::Record record;
      record.where = fmt::format("{}:{}", path.string(), number);
      const Json json = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!json.is_object()) {
        throw Error(ErrorCode::invalid_file, fmt::format("{}: not a JSON object", record.where));
      }
      const JsonObject object(json, record.where, "", "correct the line or take it out");
      record.prompt = evaluation::filled_text(object, "prompt");
      const std::string answer = answer_of(object);
      add(TuneKind::record, fmt::format("{}:{}", path.stem().string(), number),
          builder_.prompt(task, record), model_->tokenize(answer, /*add_special=*/false));
    }
  }

  /// "answer", or the first of "answers", which may be one text as well.
  static std::string answer_of(const JsonObject& record) {
    if (record.has("answer")) return evaluation::filled_text(record, "answer");
    const auto answers = record.raw().find("answers");
    if (answers == record.raw().end()) return record.require(record.text("answer"), "answer");
    if (answers->is_string()) return evaluation::filled_text(record, "answers");
    return evaluation::filled_texts(record, "answers").front();
  }

  void add_needles() {
    if (options_.needles == 0) return;
    evaluation::NeedleOptions needles;
    needles.kinds = {evaluation::NeedleKind::literal, evaluation::NeedleKind::paraphrased};
    // Several at once: the first number of an answer is found where later ones are lost.
    if (options_.tokens / kShorter >= kRoomForSeveral) {
      needles.kinds.push_back(evaluation::NeedleKind::several);
    }
    needles.lengths = {options_.tokens, options_.tokens / kShorter};
    needles.depths = {10, 50, 90};
    needles.trials = std::max<int64_t>(1, (options_.needles + 6 * std::ssize(needles.kinds) - 1) /
                                              (6 * std::ssize(needles.kinds)));
    needles.seed = options_.seed;
    for (const evaluation::Task& task :
         evaluation::make_needle_tasks(needles, evaluation::joined(texts_), builder_.counter())) {
      for (const evaluation::Record& record : task.records) {
        add(TuneKind::needle, record.id, builder_.prompt(task, record),
            model_->tokenize(record.gold, /*add_special=*/false));
      }
    }
  }

  /// Evenly spread over each text; fewer where a text is short.
  void add_windows() {
    const std::vector<TokenId> start = model_->tokenize("");
    const auto each = options_.windows / std::ssize(texts_) + 1;
    int64_t left = options_.windows;
    for (const evaluation::NamedText& text : texts_) {
      const std::vector<TokenId> tokens = model_->tokenize(text.text, /*add_special=*/false);
      const int64_t length = options_.tokens + static_cast<int64_t>(kMostAnswerTokens);
      // Not overlapping: a held-out window must not have been seen beside another one.
      const int64_t count =
          std::min({each, left, static_cast<int64_t>(std::ssize(tokens)) / length});
      left -= count;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t room = std::ssize(tokens) - count * length;  // spread between the windows
        const auto begin = tokens.begin() + i * length + (i + 1) * room / (count + 1);
        const int64_t wanted = i % 2 == 0 ? options_.tokens : options_.tokens / kShorter;
        const auto middle = begin + std::max<int64_t>(1, wanted - std::ssize(start));
        std::vector<TokenId> prompt = start;
        prompt.insert(prompt.end(), begin, middle);
        add(TuneKind::text, fmt::format("{}-{}", text.name, begin - tokens.begin()),
            {std::move(prompt), {}}, {middle, middle + static_cast<int64_t>(kMostAnswerTokens)});
      }
    }
  }

  void hold_out() {
    std::map<TuneKind, int64_t> seen;
    for (TunePrompt& prompt : prompts_) {
      // Shifted by one from group to group: prompts come in runs of three depths.
      const int64_t number = seen[prompt.kind]++;
      prompt.held_out = (number + number / kHoldOutEvery) % kHoldOutEvery == kHoldOutEvery - 1;
    }
    const bool any = std::any_of(prompts_.begin(), prompts_.end(),
                                 [](const TunePrompt& prompt) { return prompt.held_out; });
    if (!any) {
      throw Error(ErrorCode::usage,
                  fmt::format("--data gives {} prompts; at least {} are needed, so that some can "
                              "be held out",
                              prompts_.size(), kHoldOutEvery));
    }
  }

  const TunePromptOptions& options_;
  const std::shared_ptr<const Model>& model_;
  evaluation::PromptBuilder builder_;
  std::vector<evaluation::NamedText> texts_;
  std::vector<TunePrompt> prompts_;
};

}  // namespace

std::string_view to_string(TuneKind kind) {
  if (kind == TuneKind::needle) return "needle";
  return kind == TuneKind::text ? "text" : "record";
}

std::vector<TunePrompt> make_tune_prompts(const TunePromptOptions& options,
                                          const std::shared_ptr<const Model>& model) {
  return Maker(options, model).make();
}

}  // namespace lazyllm::tuning
