// SPDX-License-Identifier: Apache-2.0
#include "evaluation/samples.h"

#include <fmt/format.h>

#include "lazyllm/evaluation/evaluate.h"

namespace lazyllm::evaluation {

nlohmann::ordered_json to_json(const Sample& sample) {
  using Json = Samples::Json;
  const Statistics& s = sample.statistics;
  return {{"suite", sample.suite},
          {"task", sample.task},
          {"category", sample.category},
          {"id", sample.id},
          {"arm", sample.arm},
          {"policy", sample.policy},
          {"schedule", s.schedule},
          {"prediction", sample.prediction},
          {"score", sample.score},
          {"ttft_ms", s.ttft_ms},
          {"tpot_ms", s.tpot_ms},
          {"total_ms", s.total_ms},
          {"prompt_tokens", s.prompt_tokens},
          {"generated_tokens", s.generated_tokens},
          {"computed_fraction", s.computed_fraction},
          {"computed_fraction_end", s.computed_fraction_end},
          {"answer_loglik", sample.answer_loglik ? Json(*sample.answer_loglik) : Json(nullptr)},
          {"key", sample.key}};
}

void check_sample(const JsonObject& line) {
  for (const char* name : {"score", "ttft_ms", "tpot_ms", "total_ms", "computed_fraction",
                           "computed_fraction_end", "prompt_tokens", "generated_tokens"}) {
    line.require(line.real(name), name);
  }
  line.real("answer_loglik");  // null for a question without an answer
}

namespace {

/// How the lines of to_json() and of a tuning's trials begin.
bool is_begun_sample(const std::string& line) {
  for (const std::string_view begin : {R"({"suite":)", R"({"key":)"}) {
    if (std::string_view(line).starts_with(begin.substr(0, line.size()))) return true;
  }
  return false;
}

}  // namespace

Samples::Samples(const std::filesystem::path& folder) : path_(folder / "samples.jsonl") {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  uintmax_t whole = 0;  // bytes of complete lines
  bool end_missing = false;
  {
    std::ifstream file(path_, std::ios::binary);
    std::string line;
    for (int64_t number = 1; std::getline(file, line); ++number) {
      // Without its line end: the writer was stopped. A foreign file is left as it is.
      const bool cut = file.eof();
      const bool empty = line.empty() || line == "\r";
      const Json sample = empty ? Json() : Json::parse(line, nullptr, /*allow_exceptions=*/false);
      const bool whole_sample =
          sample.is_object() && sample.contains("key") && sample["key"].is_string();
      if (whole_sample) known_[sample["key"].get<std::string>()] = {sample, number};
      if (!whole_sample && !empty && !(cut && is_begun_sample(line))) {
        throw Error(ErrorCode::invalid_file,
                    fmt::format("{}:{}: not a sample of this program; delete the line, or give "
                                "another --out",
                                path_.string(), number));
      }
      end_missing = cut && whole_sample;
      if (whole_sample || !cut) whole += line.size() + (cut ? 0 : 1);
    }
  }
  if (std::filesystem::exists(path_, error) && std::filesystem::file_size(path_, error) > whole) {
    std::filesystem::resize_file(path_, whole, error);
  }
  out_.open(path_, std::ios::binary | std::ios::app);
  if (end_missing) out_ << '\n' << std::flush;
  if (!out_) {
    throw Error(ErrorCode::io,
                fmt::format("cannot write {}; choose another --out folder", path_.string()));
  }
}

std::shared_ptr<Samples> open_samples(const std::filesystem::path& folder) {
  return std::make_shared<Samples>(folder);
}

const Samples::Json* Samples::find(const std::string& key,
                                   const std::function<void(const JsonObject&)>& check) const {
  const auto found = known_.find(key);
  if (found == known_.end()) return nullptr;
  const Line& line = found->second;
  if (line.number > 0) {
    const nlohmann::json plain = line.json;
    check(JsonObject(plain, fmt::format("{}:{}", path_.string(), line.number), "",
                     "delete the line, and it is computed anew"));
  }
  return &line.json;
}

void Samples::add(const Json& sample) {
  // Text that is cut inside a character must not stop the evaluation.
  out_ << sample.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  if (!out_) {
    throw Error(ErrorCode::io, fmt::format("cannot write {}; is the disk full?", path_.string()));
  }
  known_[sample["key"].get<std::string>()] = {sample, 0};
}

}  // namespace lazyllm::evaluation
