// SPDX-License-Identifier: Apache-2.0
#include "server/parameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

namespace lazyllm::server {
namespace {

constexpr unsigned kChat = 1, kText = 2, kCompletion = 4, kInfill = 8, kEmbeddings = 16,
                   kRerank = 32;
constexpr unsigned kNative = kCompletion | kInfill;
constexpr unsigned kOpenAi = kChat | kText, kPlain = kText | kNative, kAll = 15;

struct Parameter {
  std::string_view name;
  unsigned honoured = 0;  ///< kinds of request that do what it says
  /// Elsewhere: values that ask for nothing, a JSON list. "*": all of them, it changes no answer.
  std::string_view without_effect = "[]";
};

constexpr std::string_view kHarmless = "*";

// By protocol and topic; docs/parameters.md explains each.
constexpr auto kParameters = std::to_array<Parameter>({
    // what is asked
    {"model", kAll | kEmbeddings | kRerank},
    {"messages", kChat},
    {"prompt", kPlain},
    {"documents", kOpenAi | kRerank, "[[]]"},
    {"order", kOpenAi, R"(["given"])"},
    {"suffix", kText, R"([""])"},
    {"echo", kText, "[false]"},
    {"input_prefix", kInfill},
    {"input_suffix", kInfill},
    {"input_extra", kInfill, "[[]]"},
    {"tools", kChat, "[[]]"},
    {"tool_choice", kChat, R"(["none"])"},
    {"parallel_tool_calls", kChat, "[true, false]"},
    {"functions", kChat, "[[]]"},
    {"function_call", kChat, R"(["none"])"},
    {"add_generation_prompt", kChat, "[true]"},
    {"continue_final_message", kChat, "[false]"},
    {"chat_template_kwargs", kChat, "[{}]"},
    {"chat_template", 0},
    {"parse_tool_calls", 0, "[true]"},
    {"reasoning_format", kChat, R"(["auto", "none"])"},
    {"reasoning_effort", kChat},
    {"thinking_forced_open", 0, "[false]"},
    {"reasoning_budget_tokens", 0, "[-1]"},
    {"thinking_budget_tokens", 0, "[-1]"},
    {"reasoning_control", 0, "[false]"},
    {"reasoning_budget_message", 0, kHarmless},  // of a budget, which there is not
    {"reasoning_budget_start_tag", 0, kHarmless},
    {"reasoning_budget_end_tag", 0, kHarmless},
    {"reasoning_budget_end_tags", 0, kHarmless},
    {"generation_prompt", 0, R"([""])"},
    {"chat_format", 0, "[0]"},
    {"chat_parser", 0, R"([""])"},
    {"grammar_lazy", 0, "[false]"},
    {"grammar_triggers", 0, "[[]]"},
    {"preserved_tokens", 0, "[[]]"},
    {"moderation", 0},
    {"modalities", 0, R"([["text"]])"},
    {"audio", 0},
    {"multimodal_data", 0, "[[]]"},
    {"web_search_options", 0},
    {"verbosity", 0, R"(["medium"])"},
    {"input", kEmbeddings},
    {"content", kEmbeddings},
    {"dimensions", kEmbeddings},
    {"encoding_format", kEmbeddings},
    {"embd_normalize", kEmbeddings},
    {"query", kRerank},
    {"texts", kRerank},
    {"top_n", kRerank},
    {"return_documents", kRerank},
    {"return_text", kRerank},
    // the form of the answer
    {"response_format", kOpenAi, R"([{"type": "text"}])"},
    {"grammar", kAll},
    {"json_schema", kAll},
    {"guided_json", kAll},
    {"guided_regex", kAll},
    {"guided_choice", kAll},
    {"guided_grammar", kAll},
    {"structured_outputs", kAll},
    // sampling
    {"temperature", kAll},
    {"top_k", kAll},
    {"top_p", kAll},
    {"min_p", kAll},
    {"seed", kAll},
    {"repeat_penalty", kAll},
    {"repeat_last_n", kAll},
    {"presence_penalty", kAll},
    {"frequency_penalty", kAll},
    {"logit_bias", kAll},
    {"repetition_penalty", kAll},
    {"min_tokens", 0, "[0]"},
    {"typical_p", 0, "[1]"},
    {"typ_p", 0, "[1]"},
    {"top_a", 0, "[0]"},
    {"top_n_sigma", 0, "[-1, 0]"},
    {"tfs_z", 0, "[1]"},
    {"dynatemp_range", 0, "[0]"},
    {"dynatemp_exponent", 0, kHarmless},  // of a range that is 0
    {"mirostat", 0, "[0]"},
    {"mirostat_tau", 0, kHarmless},  // of mirostat, which is off
    {"mirostat_eta", 0, kHarmless},
    {"dry_multiplier", 0, "[0]"},
    {"dry_base", 0, kHarmless},  // of a multiplier that is 0
    {"dry_allowed_length", 0, kHarmless},
    {"dry_penalty_last_n", 0, kHarmless},
    {"dry_sequence_breakers", 0, kHarmless},
    {"xtc_probability", 0, "[0]"},
    {"xtc_threshold", 0, kHarmless},  // of a probability of 0
    {"adaptive_target", 0, "[-1]"},
    {"adaptive_decay", 0, kHarmless},  // of a target that is off
    {"min_keep", 0, "[0, 1]"},
    {"samplers", 0, R"([["penalties", "top_k", "top_p", "min_p", "temperature"]])"},
    {"best_of", 0, "[1]"},
    {"use_beam_search", 0, "[false]"},
    {"length_penalty", 0, "[1]"},
    {"lora", 0, "[[]]"},
    // where it ends
    {"max_tokens", kAll},
    {"max_completion_tokens", kAll},
    {"n_predict", kAll},
    {"stop", kAll},
    {"ignore_eos", kAll},
    {"stop_token_ids", 0, "[[]]"},
    {"include_stop_str_in_output", 0, "[false]"},
    {"t_max_predict_ms", 0, "[0, -1]"},
    {"t_max_prompt_ms", 0, "[0, -1]"},
    {"n_indent", 0, "[0]"},
    {"truncate_prompt_tokens", 0},
    // what is told beside the text
    {"n", kAll},
    {"n_cmpl", kAll},
    {"logprobs", kOpenAi, "[false]"},
    {"top_logprobs", kChat, "[0]"},
    {"prompt_logprobs", 0, "[0]"},
    {"n_probs", kNative, "[0]"},
    {"post_sampling_probs", kNative, "[false]"},
    {"return_tokens", kNative, "[false]"},
    {"return_token_ids", 0, "[false]"},
    {"return_tokens_as_token_ids", 0, "[false]"},
    {"response_fields", kNative, "[[]]"},
    {"stream", kAll},
    {"stream_options", kAll},
    {"return_progress", kAll},
    {"verbose", kOpenAi, "[false]"},
    {"timings_per_token", kAll},
    {"lazy", kAll},
    {"prompt_lookup_num_tokens", kAll},
    {"cache_prompt", kAll},
    {"id_slot", kAll},
    // without effect on any answer: bookkeeping of the service, placing, hints for speed
    {"user", 0, kHarmless},
    {"metadata", 0, kHarmless},
    {"store", 0, kHarmless},
    {"service_tier", 0, kHarmless},
    {"safety_identifier", 0, kHarmless},
    {"prompt_cache_key", 0, kHarmless},
    {"prompt_cache_retention", 0, kHarmless},
    {"prompt_cache_options", 0, kHarmless},
    {"prediction", 0, kHarmless},
    {"n_cache_reuse", 0, kHarmless},
    {"n_keep", 0, kHarmless},  // of a shifted context, which there is not
    {"n_discard", 0, kHarmless},
    {"backend_sampling", 0, kHarmless},
    {"speculative.type", 0, kHarmless},
    {"speculative.ngram_size_n", 0, kHarmless},
    {"speculative.ngram_size_m", 0, kHarmless},
    {"speculative.ngram_min_hits", 0, kHarmless},
    {"speculative.n_max", 0, kHarmless},
    {"speculative.n_min", 0, kHarmless},
    {"speculative.p_min", 0, kHarmless},
    {"skip_special_tokens", 0, "[true]"},
    {"spaces_between_special_tokens", 0, "[true]"},
    {"sse_ping_interval", 0, kHarmless},
});

bool asks_for_nothing(const Parameter& parameter, const Json& value) {
  if (value.is_null() || parameter.without_effect == kHarmless) return true;
  const Json values = Json::parse(parameter.without_effect);
  return std::find(values.begin(), values.end(), value) != values.end();
}

RequestError does_nothing_here(const Parameter& parameter) {
  const std::string name(parameter.name);
  std::string hint = "; leave it out";
  if (parameter.honoured != 0) hint = " at this path" + hint;
  const Json values = Json::parse(parameter.without_effect);
  if (!values.empty()) hint += " or write " + dump(values[0]);
  return invalid_request(name, fmt::format("{} is not supported{}", name, hint),
                         "unsupported_parameter");
}

/// Fewest letters to add, drop, change or swap with the next.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before, last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(last, row);
  }
  return last.back();
}

void refuse_misspelt(const std::string& name) {
  constexpr size_t kShort = 4, kLong = 40;  // short names are near to many
  if (name.size() <= kShort || name.size() > kLong) return;
  for (const Parameter& parameter : kParameters) {
    if (parameter.name.size() <= kShort || edit_distance(name, parameter.name) > 1) continue;
    throw invalid_request(name,
                          fmt::format("{} is unknown; did you mean {}?", name, parameter.name),
                          "unknown_parameter");
  }
}

}  // namespace

std::vector<std::string> check_parameters(const Fields& body, RequestKind kind) {
  std::vector<std::string> unknown;
  for (const auto& [name, value] : body.json().items()) {
    const auto known =
        std::find_if(kParameters.begin(), kParameters.end(),
                     [&key = name](const Parameter& parameter) { return parameter.name == key; });
    if (known == kParameters.end()) {
      refuse_misspelt(name);
      unknown.push_back(name);
    } else if ((known->honoured & static_cast<unsigned>(kind)) == 0 &&
               !asks_for_nothing(*known, value)) {
      throw does_nothing_here(*known);
    }
  }
  return unknown;
}

}  // namespace lazyllm::server
