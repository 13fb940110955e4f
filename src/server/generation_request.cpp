// SPDX-License-Identifier: Apache-2.0
#include "server/generation_request.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

namespace lazyllm::server {
namespace {

constexpr int64_t kMostChoices = 16;
constexpr size_t kMostStops = 16, kMostStopBytes = 1024;
constexpr int64_t kMostTokens = int64_t{1} << 40;

template <typename Target, typename Value>
void assign(Target& target, const std::optional<Value>& value) {
  if (value) target = static_cast<Target>(*value);
}

std::vector<std::string> parse_stop(const Json& json) {
  if (json.is_string()) return {json.get<std::string>()};
  if (!json.is_array()) {
    throw invalid_request("stop", "stop must be a string or a list of strings", "invalid_type");
  }
  std::vector<std::string> stops;
  for (const Json& item : json)
    stops.push_back(to_text(item, fmt::format("stop[{}]", stops.size())));
  return stops;
}

void check_stop(const std::vector<std::string>& stops) {
  if (stops.size() > kMostStops) {
    throw invalid_request(
        "stop", fmt::format("stop has {} strings; give at most {}", stops.size(), kMostStops));
  }
  for (const std::string& stop : stops) {
    if (stop.size() <= kMostStopBytes) continue;
    throw invalid_request("stop", fmt::format("a stop string has {} bytes; give at most {}",
                                              stop.size(), kMostStopBytes));
  }
}

float parse_bias(const Json& value, const std::string& path) {
  // llama.cpp writes false for a token that must not come; OpenAI's -100 means the same.
  if (value.is_boolean() && !value.get<bool>()) return -std::numeric_limits<float>::infinity();
  const double bias = to_number(value, path, -100.0, 100.0);
  return bias == -100.0 ? -std::numeric_limits<float>::infinity() : static_cast<float>(bias);
}

/// {"token": bias} as OpenAI writes it, or [[token, bias], ...] as llama.cpp does. A text stands
/// for all its tokens.
class LogitBiasReader {
 public:
  LogitBiasReader(int64_t vocabulary, const Tokenize& tokenize)
      : vocabulary_(vocabulary), tokenize_(tokenize) {}

  std::vector<LogitBias> read(const Json& json) {
    if (json.is_object()) {
      for (const auto& [key, value] : json.items()) add_key(key, value);
      return std::move(biases_);
    }
    if (!json.is_array()) {
      throw invalid_request(path_, "logit_bias must be an object of token ids with numbers",
                            "invalid_type");
    }
    for (const Json& pair : json) {
      if (!pair.is_array() || pair.size() != 2) {
        throw invalid_request(path_, "logit_bias as a list must hold pairs [token, bias]",
                              "invalid_type");
      }
      if (pair[0].is_string()) {
        add_text(pair[0].get<std::string>(), pair[1]);
      } else {
        add(to_integer(pair[0], path_, 0, vocabulary_ - 1), pair[1]);
      }
    }
    return std::move(biases_);
  }

 private:
  void add(int64_t token, const Json& value) {
    if (token < 0 || token >= vocabulary_) {
      throw invalid_request(path_, fmt::format("{}: token {} is not in the vocabulary of {} tokens",
                                               path_, token, vocabulary_));
    }
    biases_.push_back({static_cast<int32_t>(token), parse_bias(value, path_)});
  }

  void add_key(const std::string& key, const Json& value) {
    int64_t token = -1;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), token);
    const bool is_number =
        parsed.ec != std::errc::invalid_argument && parsed.ptr == key.data() + key.size();
    if (!is_number) return add_text(key, value);
    add(parsed.ec == std::errc() ? token : -1, value);
  }

  void add_text(const std::string& text, const Json& value) {
    if (text.empty() || !tokenize_) {
      throw invalid_request(path_, "logit_bias: an empty text has no tokens");
    }
    for (const TokenId token : tokenize_(text)) add(token, value);
  }

  const std::string path_ = "logit_bias";
  int64_t vocabulary_;
  const Tokenize& tokenize_;
  std::vector<LogitBias> biases_;
};

void parse_sampling(const Fields& body, SamplingOptions& sampling, int64_t vocabulary,
                    const Tokenize& tokenize) {
  constexpr int64_t kMostInt = std::numeric_limits<int32_t>::max();
  assign(sampling.temperature, body.number("temperature", 0.0, 100.0));
  assign(sampling.top_p, body.number("top_p", 0.0, 1.0));
  assign(sampling.min_p, body.number("min_p", 0.0, 1.0));
  assign(sampling.top_k, body.integer("top_k", -1, kMostInt));
  if (sampling.top_k < 0) sampling.top_k = 0;  // "off" as vLLM writes it
  assign(sampling.repeat_penalty, body.number("repeat_penalty", 0.01, 100.0));
  assign(sampling.repeat_penalty, body.number("repetition_penalty", 0.01, 100.0));  // vLLM's name
  assign(sampling.repeat_last_n, body.integer("repeat_last_n", -1, kMostInt));
  assign(sampling.presence_penalty, body.number("presence_penalty", -2.0, 2.0));
  assign(sampling.frequency_penalty, body.number("frequency_penalty", -2.0, 2.0));
  if (const Json* bias = body.find("logit_bias"))
    sampling.logit_bias = LogitBiasReader(vocabulary, tokenize).read(*bias);
}

RevivalBudget parse_revive_budget(const Json& json, const std::string& path) {
  if (json.is_string()) {
    if (json == "all") return {RevivalBudget::kAll};
    if (json == "none") return {0};
    throw invalid_request(path,
                          fmt::format("{} must be a number of tokens, \"all\" or \"none\"", path));
  }
  return {to_integer(json, path, 0, kMostTokens)};
}

}  // namespace

PruningOptions parse_pruning(const Fields& lazy, PruningOptions options) {
  assign(options.policy, lazy.text("policy"));
  assign(options.prune, lazy.text("prune"));
  if (const auto value = lazy.text("score")) options.score = *value;
  if (const auto value = lazy.text("attention")) options.attention = *value;
  if (const auto value = lazy.integer("score_pool", 1, 1 << 20))
    options.score_pool = static_cast<int>(*value);
  if (const auto value = lazy.number("keep_mass", 0.0, 1.0)) options.keep_mass = *value;
  if (const auto value = lazy.integer("protect_first", 0, kMostTokens))
    options.protect_first = *value;
  if (const auto value = lazy.integer("protect_last", 0, kMostTokens))
    options.protect_last = *value;
  if (const auto value = lazy.integer("min_prompt", 0, kMostTokens)) options.min_prompt = *value;
  if (const Json* json = lazy.find("revive_budget")) {
    options.revive_budget = parse_revive_budget(*json, lazy.path_of("revive_budget"));
  }
  return options;
}

/// Who names a way to prune gets it, whatever the cache holds, unless told otherwise.
Prefill parse_plan(const Fields& lazy, Prefill otherwise) {
  if (const auto plan = lazy.text("plan")) {
    if (*plan == "auto") return Prefill::soonest;
    if (*plan == "fixed") return Prefill::as_asked;
    throw invalid_request("lazy.plan",
                          "lazy.plan is \"auto\" (dense instead, where that is no later) or "
                          "\"fixed\" (as asked, whatever the cache holds)");
  }
  for (const char* name : {"policy", "prune", "score", "keep_mass", "score_pool"}) {
    if (lazy.find(name) != nullptr) return Prefill::as_asked;
  }
  return otherwise;
}

/// So does who names one by the server's flags.
Prefill default_plan(const PruningOptions& flags) {
  const bool named =
      flags.policy != "lazy" || !flags.prune.empty() || flags.score || flags.keep_mass;
  return named ? Prefill::as_asked : Prefill::soonest;
}

GenerationRequest parse_generation(const Fields& body, const RequestDefaults& defaults,
                                   int64_t vocabulary, const Tokenize& tokenize) {
  GenerationRequest request;
  AnswerRequest& answer = request.answer;
  answer.generation = defaults.generation;
  answer.pruning = defaults.pruning;
  GenerationOptions& generation = answer.generation;
  request.random_seed = defaults.random_seed;
  parse_sampling(body, generation.sampling, vocabulary, tokenize);
  if (const auto seed = body.integer("seed", std::numeric_limits<int64_t>::min(),
                                     std::numeric_limits<int64_t>::max())) {
    request.random_seed = *seed == -1;  // llama.cpp's way to write "any"
    generation.sampling.seed = static_cast<uint64_t>(*seed);
  }
  assign(generation.max_tokens, body.integer("n_predict", -2, kMostTokens));
  assign(generation.max_tokens, body.integer("max_tokens", -1, kMostTokens));
  assign(generation.max_tokens, body.integer("max_completion_tokens", -1, kMostTokens));
  if (generation.max_tokens < 0) generation.max_tokens = -1;  // llama.cpp's -2: all of the context
  if (const Json* stop = body.find("stop")) generation.stop = parse_stop(*stop);
  check_stop(generation.stop);
  assign(generation.ignore_eos, body.boolean("ignore_eos"));
  assign(generation.prompt_lookup_num_tokens,
         body.integer("prompt_lookup_num_tokens", 0, kMostDraftedTokens));
  assign(answer.use_cache, body.boolean("cache_prompt"));
  answer.slot = static_cast<int>(body.integer("id_slot", -1, INT32_MAX).value_or(-1));

  assign(request.choices, body.integer("n_cmpl", 1, kMostChoices));
  assign(request.choices, body.integer("n", 1, kMostChoices));
  assign(request.stream, body.boolean("stream"));
  assign(request.return_progress, body.boolean("return_progress"));
  assign(request.timings_per_token, body.boolean("timings_per_token"));
  request.verbose = body.boolean("verbose").value_or(defaults.verbose);
  if (const auto options = body.object("stream_options")) {
    assign(request.include_usage, options->boolean("include_usage"));
  }
  answer.prefill = default_plan(defaults.pruning);
  if (const auto lazy = body.object("lazy")) {
    answer.pruning = parse_pruning(*lazy, answer.pruning);
    answer.prefill = parse_plan(*lazy, answer.prefill);
    if (const auto tokens = lazy->integer("recompute", 0, kMostTokens)) {
      answer.recomputed_tokens = *tokens;
    }
    if (const auto report = lazy->text("report")) {
      if (*report != "tokens") {
        throw invalid_request("lazy.report", "lazy.report can only be \"tokens\"");
      }
      answer.report_tokens = true;
    }
  }
  if (defaults.profile) answer.pruning = with_profile(answer.pruning, *defaults.profile);
  answer.pruning.seed = generation.sampling.seed;
  return request;
}

void check_model_name(const Fields& body, const std::string& name, bool strict) {
  const auto wanted = body.text("model");
  if (!strict || !wanted || wanted->empty() || *wanted == name) return;
  throw RequestError(
      404, "invalid_request_error", "model_not_found",
      fmt::format("the model \"{}\" is not served here; write \"{}\" or leave it out",
                  wanted->substr(0, 200), name),
      "model");
}

}  // namespace lazyllm::server
