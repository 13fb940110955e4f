// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "c_api/boundary.h"
#include "c_api/handles.h"

using lazyllm::Error;
using lazyllm::ErrorCode;
using lazyllm::c_api::guarded;
using lazyllm::c_api::known_part;
using lazyllm::c_api::or_empty;
using lazyllm::c_api::require;

namespace {

lazyllm::SessionOptions session_options(const lazyllm_session_options& given) {
  lazyllm::SessionOptions options;
  options.context = given.context;
  lazyllm::PruningOptions& pruning = options.pruning;
  if (given.policy != nullptr) pruning.policy = given.policy;
  pruning.prune = or_empty(given.prune);
  pruning.profile = given.profile == nullptr ? "auto" : given.profile;
  if (given.score != nullptr) pruning.score = given.score;
  if (given.revive_budget != nullptr)
    pruning.revive_budget = lazyllm::RevivalBudget{*given.revive_budget};
  if (given.protect_first != nullptr) pruning.protect_first = *given.protect_first;
  if (given.protect_last != nullptr) pruning.protect_last = *given.protect_last;
  if (given.min_prompt != nullptr) pruning.min_prompt = *given.min_prompt;
  return options;
}

lazyllm::GenerationOptions generation_options(const lazyllm_generation_options& given) {
  lazyllm::GenerationOptions options;
  options.max_tokens = given.max_tokens == 0 ? -1 : given.max_tokens;
  options.sampling.temperature = given.temperature;
  options.sampling.top_k = given.top_k;
  options.sampling.top_p = given.top_p == 0.0f ? 1.0f : given.top_p;
  options.sampling.min_p = given.min_p;
  options.sampling.seed = given.seed;
  if (given.stop_count > 0) require(given.stop, "stop");
  for (size_t i = 0; i < given.stop_count; ++i) {
    require(given.stop[i], "a stop string");
    options.stop.emplace_back(given.stop[i]);
  }
  return options;
}

void answer(lazyllm_session& session, const lazyllm::ChatPrompt& prompt,
            const lazyllm_generation_options& given, char** text) {
  lazyllm::GenerationOptions options = generation_options(given);
  options.protected_ranges = prompt.protected_ranges;
  lazyllm::GenerationCallbacks callbacks;
  if (given.on_text != nullptr) {
    callbacks.on_text = [&](std::string_view piece) {
      if (!given.on_text(std::string(piece).c_str(), given.user)) session.session.cancel();
    };
  }
  const lazyllm::GenerationResult result =
      session.session.generate(prompt.tokens, options, callbacks);
  session.finish_reason = result.finish_reason;
  if (text != nullptr) *text = lazyllm::c_api::copy_text(result.text);
}

}  // namespace

extern "C" {

lazyllm_status lazyllm_session_create(const lazyllm_model* model,
                                      const lazyllm_session_options* options,
                                      lazyllm_session** session) {
  return guarded([&] {
    require(model, "model");
    require(session, "session");
    *session = nullptr;
    *session = new lazyllm_session(model->model, session_options(known_part(options)));
  });
}

void lazyllm_session_free(lazyllm_session* session) {
  delete session;
}

lazyllm_status lazyllm_session_chat(lazyllm_session* session, const lazyllm_message* messages,
                                    size_t count, const lazyllm_generation_options* options,
                                    char** text) {
  return guarded([&] {
    require(session, "session");
    if (text != nullptr) *text = nullptr;
    if (count > 0) require(messages, "messages");
    std::vector<lazyllm::ChatMessage> turns;
    for (size_t i = 0; i < count; ++i) {
      require(messages[i].role, "role");
      require(messages[i].content, "content");
      turns.push_back({messages[i].role, messages[i].content});
    }
    answer(*session, session->model->chat_prompt(turns), known_part(options), text);
  });
}

lazyllm_status lazyllm_session_complete(lazyllm_session* session, const char* prompt,
                                        const lazyllm_generation_options* options, char** text) {
  return guarded([&] {
    require(session, "session");
    require(prompt, "prompt");
    if (text != nullptr) *text = nullptr;
    answer(*session, {session->model->tokenize(prompt, true, true), {}}, known_part(options), text);
  });
}

void lazyllm_session_cancel(lazyllm_session* session) {
  if (session != nullptr) session->session.cancel();
}

void lazyllm_session_reset(lazyllm_session* session) {
  if (session != nullptr) session->session.reset();
}

lazyllm_status lazyllm_session_statistics(const lazyllm_session* session,
                                          lazyllm_statistics* statistics) {
  return guarded([&] {
    require(session, "session");
    require(statistics, "statistics");
    const size_t size = statistics->struct_size;
    if (size < sizeof(size_t) || size > (1 << 16))
      throw Error(ErrorCode::usage, "struct_size is not set; begin with LAZYLLM_C_INIT");
    const lazyllm::Statistics& s = session->session.statistics();
    lazyllm_statistics known{};
    known.struct_size = size;
    known.prompt_tokens = s.prompt_tokens;
    known.generated_tokens = s.generated_tokens;
    known.ttft_ms = s.ttft_ms;
    known.total_ms = s.total_ms;
    known.computed_fraction = s.computed_fraction;
    known.computed_fraction_end = s.computed_fraction_end;
    known.revived_tokens = s.revived_tokens;
    known.finish_reason = static_cast<int32_t>(session->finish_reason);
    std::memset(statistics, 0, size);
    std::memcpy(statistics, &known, std::min(size, sizeof known));
  });
}

}  // extern "C"
