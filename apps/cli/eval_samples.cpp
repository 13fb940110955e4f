// SPDX-License-Identifier: Apache-2.0
#include "eval_samples.h"

#include <fmt/format.h>

namespace lazyllm::cli {

nlohmann::ordered_json to_json(const EvalSample& sample) {
  using Json = EvalSamples::Json;
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

EvalSamples::EvalSamples(const std::filesystem::path& folder) : path_(folder / "samples.jsonl") {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  uintmax_t whole = 0;  // bytes of complete lines
  {
    std::ifstream file(path_, std::ios::binary);
    std::string line;
    for (int64_t number = 1; std::getline(file, line); ++number) {
      if (file.eof()) break;  // without its line end: the writer was stopped
      whole += line.size() + 1;
      const Json sample = Json::parse(line, nullptr, /*allow_exceptions=*/false);
      if (!sample.is_object() || !sample.contains("key") || !sample["key"].is_string()) {
        throw Error(ErrorCode::invalid_file,
                    fmt::format("{}:{}: not a sample of lazyllm eval; give another --out folder",
                                path_.string(), number));
      }
      known_[sample["key"].get<std::string>()] = sample;
    }
  }
  if (std::filesystem::exists(path_, error) && std::filesystem::file_size(path_, error) > whole) {
    std::filesystem::resize_file(path_, whole, error);
  }
  out_.open(path_, std::ios::binary | std::ios::app);
  if (!out_) {
    throw Error(ErrorCode::io,
                fmt::format("cannot write {}; choose another --out folder", path_.string()));
  }
}

const EvalSamples::Json* EvalSamples::find(const std::string& key) const {
  const auto found = known_.find(key);
  return found == known_.end() ? nullptr : &found->second;
}

void EvalSamples::add(const Json& sample) {
  // Text that is cut inside a character must not stop the evaluation.
  out_ << sample.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  if (!out_) {
    throw Error(ErrorCode::io, fmt::format("cannot write {}; is the disk full?", path_.string()));
  }
  known_[sample["key"].get<std::string>()] = sample;
}

}  // namespace lazyllm::cli
