// SPDX-License-Identifier: Apache-2.0
#include "server/answering.h"

#include <algorithm>
#include <random>
#include <thread>

#include "server/statistics_json.h"

namespace lazyllm::server {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kSlice(50);      // how soon a client that went away is noticed
constexpr milliseconds kShortSlice(5);  // the same where several answers are watched by turns

const char* name_of(FinishReason reason) {
  return reason == FinishReason::length ? "length" : "stop";
}

std::string event_text(const Json& json) {
  return "data: " + dump(json) + "\n\n";
}

bool send(HttpSink& sink, const std::string& text) {
  return sink.write(text);
}

RequestError stopping() {
  return {503, "unavailable_error", "stopping", "the server is stopping; send the request again"};
}

}  // namespace

Answering::Answering(ModelService& service, AnswerJob job, Exchange& exchange)
    : service_(service),
      job_(std::move(job)),
      exchange_(exchange),
      id_(job_.shape->id_prefix() + exchange.id),
      created_(std::time(nullptr)),
      start_(Clock::now()) {
  std::random_device device;
  for (size_t p = 0; p < job_.prompts.size(); ++p) {
    for (int64_t i = 0; i < job_.request.choices; ++i) {
      AnswerRequest request = job_.request.answer;
      request.prompt = job_.prompts[p].tokens;
      request.generation.protected_ranges = job_.prompts[p].protected_ranges;
      uint64_t& seed = request.generation.sampling.seed;
      seed = job_.request.random_seed ? (uint64_t{device()} << 32) | device()
                                      : seed + static_cast<uint64_t>(i);
      if (job_.make_constraint) request.constraint = job_.make_constraint();
      Running running{nullptr, {}, ToolCallParser(job_.tool_form), p};
      running.choice.index = static_cast<int64_t>(running_.size());
      running.answer = service_.scheduler->submit(std::move(request));
      running_.push_back(std::move(running));
    }
  }
}

bool Answering::pump(const OnEvent& on_event, const std::function<bool()>& on_silence) {
  size_t open = running_.size();
  while (open > 0) {
    bool silent = true;
    bool waits = running_.size() == 1;
    for (Running& running : running_) {
      while (!running.end) {
        std::optional<AnswerEvent> event = running.answer->wait(waits ? kSlice : milliseconds(0));
        waits = false;
        if (!event) break;
        silent = false;
        if (!on_event(running, *event)) return false;
        if (running.end) --open;
      }
    }
    if (exchange_.peer.gone()) return false;
    if (silent && !on_silence()) return false;
    if (silent && running_.size() > 1) std::this_thread::sleep_for(kShortSlice);
  }
  return true;
}

Delta Answering::take(Running& running, std::string_view text, bool last) {
  Choice& choice = running.choice;
  Delta delta;
  delta.first = std::exchange(running.first, false);
  delta.text_offset = choice.text.size();
  if (delta.first && !job_.prompts[running.prompt].echo.empty()) {
    const Prompt& prompt = job_.prompts[running.prompt];
    delta.text = prompt.echo;
    delta.tokens = prompt.echo_logprobs;
  }
  const auto collect = [&](ToolCallParser::Output output) {
    delta.text += output.text;
    std::move(output.calls.begin(), output.calls.end(), std::back_inserter(delta.calls));
  };
  collect(running.tools.push(text));
  if (last) collect(running.tools.finish());
  delta.first_call = choice.calls.size();
  choice.text += delta.text;
  choice.calls.insert(choice.calls.end(), delta.calls.begin(), delta.calls.end());
  return delta;
}

std::optional<Delta> Answering::advance(Running& running, AnswerEvent& event) {
  if (auto* token = std::get_if<AnswerToken>(&event)) {
    Delta delta = take(running, token->text, false);
    const bool ends = !job_.request.answer.generation.ignore_eos &&
                      service_.model->is_end_of_generation(token->token);
    if (job_.request.answer.top_logprobs >= 0 && !ends) delta.tokens.push_back(std::move(*token));
    running.choice.tokens.insert(running.choice.tokens.end(), delta.tokens.begin(),
                                 delta.tokens.end());
    return delta;
  }
  if (auto* end = std::get_if<AnswerEnd>(&event)) {
    Delta delta = take(running, end->text, true);
    running.choice.tokens.insert(running.choice.tokens.end(), delta.tokens.begin(),
                                 delta.tokens.end());
    finish(running, *end, delta);
    return delta;
  }
  return std::nullopt;
}

void Answering::finish(Running& running, AnswerEnd& end, Delta& delta) {
  running.end = std::move(end);
  const AnswerEnd& ended = *running.end;
  service_.metrics->count_answer(ended);
  const Statistics& s = ended.statistics;
  exchange_.log.add("prompt_tokens", s.prompt_tokens)
      .add("cached_tokens", ended.cached_tokens)
      .add("generated_tokens", s.generated_tokens)
      .add("policy", s.policy)
      .add("computed", s.computed_fraction)
      .add("queue_ms", ended.queue_ms)
      .add("ttft_ms", s.ttft_ms)
      .add("tpot_ms", s.tpot_ms);
  if (ended.error) throw RequestError(*ended.error);
  if (ended.reason == FinishReason::cancelled) throw stopping();
  const bool called = !running.choice.calls.empty() && ended.reason == FinishReason::stop;
  running.choice.finish_reason = called ? "tool_calls" : name_of(ended.reason);
  delta.finish_reason = running.choice.finish_reason;
  exchange_.log.add("finish", *delta.finish_reason);
}

Json Answering::frame(const char* object) const {
  return {{"id", id_},
          {"object", object},
          {"created", static_cast<int64_t>(created_)},
          {"model", service_.name},
          {"choices", Json::array()}};
}

Json Answering::usage() const {
  int64_t prompt = 0, cached = 0, generated = 0;
  size_t last_prompt = job_.prompts.size();
  for (const Running& running : running_) {
    const AnswerEnd& end = *running.end;
    generated += end.statistics.generated_tokens;
    if (running.prompt == last_prompt) continue;  // another choice for the same prompt
    last_prompt = running.prompt;
    prompt += static_cast<int64_t>(job_.prompts[running.prompt].tokens.size());
    cached += end.cached_tokens;
  }
  return {{"prompt_tokens", prompt},
          {"completion_tokens", generated},
          {"total_tokens", prompt + generated},
          {"prompt_tokens_details", {{"cached_tokens", cached}}}};
}

void Answering::add_figures(Json& json) {
  const Running& first = running_.front();
  const AnswerEnd& end = *first.end;
  json["timings"] = timings_json(end);
  json["lazy"] = lazy_json(end, service_.info, *service_.cost);
  if (end.tokens) {
    json["lazy"]["tokens"] =
        tokens_json(*service_.model, job_.prompts[first.prompt].tokens, *end.tokens);
  }
}

Json Answering::progress_chunk(const PrefillProgress& progress) const {
  const int64_t rest = progress.prompt_tokens - progress.cached_tokens;
  Json chunk = frame(job_.shape->chunk_object());
  chunk["prompt_progress"] = {
      {"total", progress.prompt_tokens},
      {"cache", progress.cached_tokens},
      {"processed",
       progress.cached_tokens + static_cast<int64_t>(progress.share * static_cast<double>(rest))},
      {"time_ms", std::chrono::duration<double, std::milli>(Clock::now() - start_).count()}};
  return chunk;
}

void Answering::note_gone_client() {
  service_.metrics->count_gone_client();
  exchange_.log.add("client", "gone");
}

Json Answering::whole() {
  const bool complete = pump(
      [&](Running& running, AnswerEvent& event) {
        advance(running, event);
        return true;
      },
      [] { return true; });
  if (!complete) {
    running_.clear();  // frees the slots at once
    note_gone_client();
    throw RequestError(499, "client_error", "client_gone", "the client went away");
  }
  Json json = frame(job_.shape->object());
  for (const Running& running : running_)
    json["choices"].push_back(job_.shape->choice(running.choice));
  json["usage"] = usage();
  add_figures(json);
  return json;
}

void Answering::stream(HttpSink& sink) {
  Clock::time_point last_sent = Clock::now();
  const auto send_event = [&](const std::string& text) {
    last_sent = Clock::now();
    return send(sink, text);
  };
  const auto send_delta = [&](const Running& running, const Delta& delta) {
    const bool says_nothing = !delta.first && delta.text.empty() && delta.calls.empty() &&
                              delta.tokens.empty() && !delta.finish_reason;
    if (says_nothing) return true;
    Json chunk = frame(job_.shape->chunk_object());
    chunk["choices"].push_back(job_.shape->chunk(running.choice.index, delta));
    const bool last = std::all_of(running_.begin(), running_.end(),
                                  [](const Running& r) { return r.end.has_value(); });
    if (last && !job_.request.include_usage) add_figures(chunk);
    return send_event(event_text(chunk));
  };
  const auto on_event = [&](Running& running, AnswerEvent& event) {
    if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
      return !job_.request.return_progress || send_event(event_text(progress_chunk(*progress)));
    }
    return send_delta(running, *advance(running, event));
  };
  const auto on_silence = [&] {
    return Clock::now() - last_sent < service_.ping_interval || send_event(": ping\n\n");
  };
  bool complete = false;
  try {
    complete = pump(on_event, on_silence);
    if (complete && job_.request.include_usage) {
      Json chunk = frame(job_.shape->chunk_object());
      chunk["usage"] = usage();
      add_figures(chunk);
      complete = send_event(event_text(chunk));
    }
    if (complete) complete = send_event("data: [DONE]\n\n");
    if (!complete) note_gone_client();
  } catch (const std::exception& exception) {
    const RequestError error = to_request_error(exception);
    exchange_.log.add("error", error.code());
    send(sink, "data: " + error.to_json() + "\n\n");
  }
  running_.clear();
}

void answer(ModelService& service, Exchange& exchange, AnswerJob job) {
  const bool stream = job.request.stream;
  auto answering = std::make_shared<Answering>(service, std::move(job), exchange);
  if (!stream) {
    exchange.response.set_content(dump(answering->whole()), "application/json; charset=utf-8");
    return;
  }
  exchange.response.set_header("Cache-Control", "no-cache");
  exchange.response.set_header("X-Accel-Buffering", "no");  // for nginx
  exchange.response.set_stream("text/event-stream",
                               [answering](HttpSink& sink) { answering->stream(sink); });
}

}  // namespace lazyllm::server
