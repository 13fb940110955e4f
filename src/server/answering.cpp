// SPDX-License-Identifier: Apache-2.0
#include "server/answering.h"

#include <optional>
#include <random>
#include <thread>
#include <utility>

namespace lazyllm::server {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kShortSlice(
    5);  // in place of kNoticeGone where several answers are watched by turns

const char* name_of(FinishReason reason) {
  return reason == FinishReason::length ? "length" : "stop";
}

RequestError stopping() {
  return {503, "unavailable_error", "stopping", "the server is stopping; send the request again"};
}

bool makes_tokens(const AnswerJob& job) {
  return job.request.answer.top_logprobs >= 0;
}

}  // namespace

std::string event_text(const Json& json) {
  return "data: " + dump(json) + "\n\n";
}

std::string named_event_text(const Json& json) {
  return "event: " + json["type"].get<std::string>() + "\n" + event_text(json);
}

Answering::Answering(ModelService& service, AnswerJob job, Exchange& exchange)
    : service_(service), job_(std::move(job)), exchange_(exchange), record_{service,
                                                                            job_.request,
                                                                            job_.prompts,
                                                                            exchange.id,
                                                                            std::time(nullptr),
                                                                            Clock::now()} {
  std::optional<ClientWatch> client;
  if (job_.make_constraint) client.emplace(exchange.peer);
  std::random_device device;
  for (size_t p = 0; p < job_.prompts.size(); ++p) {
    for (int64_t i = 0; i < job_.request.choices; ++i) {
      AnswerRequest request = job_.request.answer;
      request.prompt = job_.prompts[p].tokens;
      request.generation.protected_ranges = job_.prompts[p].protected_ranges;
      request.free_documents = job_.prompts[p].free_documents;
      uint64_t& seed = request.generation.sampling.seed;
      seed = job_.request.random_seed ? (uint64_t{device()} << 32) | device()
                                      : seed + static_cast<uint64_t>(i);
      if (client) request.constraint = make_constraint(*client);
      ChoiceRecord choice{{}, p};
      choice.choice.index = static_cast<int64_t>(running_.size());
      choice.seed = seed;
      record_.choices.push_back(std::move(choice));
      running_.push_back({service_.scheduler->submit(std::move(request)),
                          ReasoningSplitter(job_.reasoning), ToolCallParser(job_.tool_form),
                          TextOffsets(*service_.model, job_.prompts[p].echo)});
    }
  }
}

/// A schema may take long to compile; nobody does that for a client who went away.
std::shared_ptr<TokenConstraint> Answering::make_constraint(const ClientWatch& client) const {
  try {
    return job_.make_constraint(client.token());
  } catch (...) {
    client.check();
    throw;
  }
}

Answering::Pumped Answering::pump(const OnEvent& on_event, const std::function<bool()>& on_round) {
  while (!record_.complete()) {
    bool silent = true;
    bool waits = running_.size() == 1;
    for (size_t i = 0; i < running_.size(); ++i) {
      while (!record_.choices[i].end) {
        std::optional<AnswerEvent> event =
            running_[i].answer->wait(waits ? kNoticeGone : milliseconds(0));
        waits = false;
        if (!event) break;
        silent = false;
        if (!on_event(i, *event)) return Pumped::stopped;
      }
    }
    if (exchange_.peer.gone()) return Pumped::gone;
    // After news, too: progress of a prefill may come all the time and tell the client nothing.
    if (!on_round()) return Pumped::stopped;
    if (silent && running_.size() > 1) std::this_thread::sleep_for(kShortSlice);
  }
  return Pumped::complete;
}

Delta Answering::take(size_t index, std::string_view text, bool last) {
  Running& running = running_[index];
  Choice& choice = record_.choices[index].choice;
  Delta delta;
  delta.first = std::exchange(running.first, false);
  if (delta.first) {
    Prompt& prompt = job_.prompts[record_.choices[index].prompt];
    delta.text = prompt.echo;
    for (const AnswerToken& token : prompt.echo_logprobs) {
      delta.offsets.push_back(running.offsets.take(token.token));
      delta.tokens.push_back(token);
    }
  }
  const auto collect = [&](ToolCallParser::Output output) {
    delta.text += output.text;
    std::move(output.calls.begin(), output.calls.end(), std::back_inserter(delta.calls));
  };
  const auto split = [&](const ReasoningSplitter::Output& output) {
    delta.reasoning += output.reasoning;
    collect(running.tools.push(output.text));
  };
  split(running.reasoning.push(text));
  if (last) {
    split(running.reasoning.finish());
    collect(running.tools.finish());
  }
  choice.reasoning += delta.reasoning;
  choice.text += delta.text;
  for (const CallPiece& piece : delta.calls) {
    if (piece.begins) choice.calls.push_back({piece.id, piece.name, ""});
    choice.calls.at(piece.index).arguments += piece.arguments;
  }
  return delta;
}

/// The token, if it counts, into the delta; what the delta has into the choice.
void Answering::add_tokens(size_t index, Delta& delta, AnswerToken* token) {
  Choice& choice = record_.choices[index].choice;
  if (token != nullptr) {
    const bool ends = !job_.request.answer.generation.ignore_eos &&
                      service_.model->is_end_of_generation(token->token);
    record_.choices[index].ended_itself = ends;
    if (!ends) {
      delta.ids.push_back(token->token);
      if (makes_tokens(job_)) {
        delta.offsets.push_back(running_[index].offsets.take(token->token));
        delta.tokens.push_back(std::move(*token));
      }
    }
  }
  choice.ids.insert(choice.ids.end(), delta.ids.begin(), delta.ids.end());
  choice.tokens.insert(choice.tokens.end(), delta.tokens.begin(), delta.tokens.end());
  choice.offsets.insert(choice.offsets.end(), delta.offsets.begin(), delta.offsets.end());
}

std::optional<Delta> Answering::advance(size_t index, AnswerEvent& event) {
  ChoiceRecord& record = record_.choices[index];
  if (const auto* progress = std::get_if<PrefillProgress>(&event)) {
    record.cached_tokens = progress->cached_tokens;
    return std::nullopt;
  }
  if (auto* token = std::get_if<AnswerToken>(&event)) {
    if (!record.first_token) record.first_token = Clock::now();
    ++record.generated_tokens;
    Delta delta = take(index, token->text, false);
    add_tokens(index, delta, token);
    return delta;
  }
  auto& end = std::get<AnswerEnd>(event);
  Delta delta = take(index, end.text, true);
  add_tokens(index, delta, nullptr);
  finish(index, end, delta);
  return delta;
}

void Answering::finish(size_t index, AnswerEnd& end, Delta& delta) {
  ChoiceRecord& record = record_.choices[index];
  record.end = std::move(end);
  const AnswerEnd& ended = *record.end;
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
  const bool called = !record.choice.calls.empty() && ended.reason == FinishReason::stop;
  record.choice.finish_reason = called ? "tool_calls" : name_of(ended.reason);
  delta.finish_reason = record.choice.finish_reason;
  exchange_.log.add("finish", *delta.finish_reason);
}

std::string Answering::progress(size_t index, const PrefillProgress& event) {
  const int64_t total = event.prompt_tokens, cached = event.cached_tokens;
  const auto computed = static_cast<int64_t>(event.share * static_cast<double>(total - cached));
  // One after the other: the operands of + have no order.
  std::string text = report(index, {total, cached, cached});
  text += report(index, {total, cached, cached + computed});
  return text;
}

/// The last report, when the first token is there.
std::string Answering::progress_ended(size_t index) {
  const ChoiceRecord& record = record_.choices[index];
  const auto total = static_cast<int64_t>(job_.prompts[record.prompt].tokens.size());
  const int64_t cached = record.cached_tokens;
  std::string text = report(index, {total, cached, cached});
  text += report(index, {total, cached, total});
  return text;
}

std::string Answering::report(size_t index, PromptProgress progress) {
  if (!job_.request.return_progress || progress.processed <= running_[index].reported) return {};
  running_[index].reported = progress.processed;
  record_.choices[index].processed = progress.processed;
  progress.time_ms =
      std::chrono::duration<double, std::milli>(Clock::now() - record_.start).count();
  return job_.writer->progress(record_, record_.choices[index], progress);
}

void Answering::note_gone_client() {
  service_.metrics->count_gone_client();
  exchange_.log.add("client", "gone");
}

bool Answering::collect(Clock::time_point limit) {
  const auto in_time = [&] { return Clock::now() < limit; };
  const Pumped pumped = pump(
      [&](size_t index, AnswerEvent& event) {
        advance(index, event);
        return in_time();
      },
      in_time);
  if (pumped == Pumped::gone) {
    running_.clear();  // frees the slots at once
    note_gone_client();
    throw RequestError(499, "client_error", "client_gone", "the client went away");
  }
  return record_.complete();
}

void Answering::send_late(HttpSink& sink) {
  try {
    do {
      if (sink.write(" ")) continue;
      running_.clear();
      return note_gone_client();
    } while (!collect(Clock::now() + service_.ping_interval));
  } catch (const std::exception& exception) {
    // The status is told already; what went wrong can still be.
    running_.clear();
    const RequestError error = to_request_error(exception);
    exchange_.log.add("error", error.code());
    sink.write(exchange_.error_text(error));
    return;
  }
  sink.write(dump(whole()));
}

void Answering::stream(HttpSink& sink) {
  Clock::time_point last_sent = Clock::now();
  const auto send = [&](const std::string& text) {
    if (text.empty()) return true;
    last_sent = Clock::now();
    return sink.write(text);
  };
  const auto on_event = [&](size_t index, AnswerEvent& event) {
    const bool first = running_[index].first;
    const std::optional<Delta> delta = advance(index, event);
    if (!delta) return send(progress(index, std::get<PrefillProgress>(event)));
    std::string text = first ? progress_ended(index) : std::string();
    if (delta->first || !delta->says_nothing())
      text += job_.writer->delta(record_, record_.choices[index], *delta);
    return send(text);
  };
  const auto keep_alive = [&] {
    return Clock::now() - last_sent < service_.ping_interval || send(job_.writer->keep_alive());
  };
  try {
    bool complete = send(job_.writer->begin(record_)) &&
                    pump(on_event, keep_alive) == Pumped::complete &&
                    send(job_.writer->end(record_));
    if (!complete) note_gone_client();
  } catch (const std::exception& exception) {
    const RequestError error = to_request_error(exception);
    exchange_.log.add("error", error.code());
    sink.write(job_.writer->error(error));
  }
  running_.clear();
}

void answer(ModelService& service, Exchange& exchange, AnswerJob job) {
  const bool stream = job.request.stream;
  auto answering = std::make_shared<Answering>(service, std::move(job), exchange);
  constexpr const char* kJson = "application/json; charset=utf-8";
  if (stream) {
    exchange.response.set_header("Cache-Control", "no-cache");
    exchange.response.set_header("X-Accel-Buffering", "no");  // for nginx
    exchange.response.set_stream(answering->writer().stream_type(),
                                 [answering](HttpSink& sink) { answering->stream(sink); });
  } else if (answering->collect(Clock::now() + service.ping_interval)) {
    exchange.response.set_content(dump(answering->whole()), kJson);
  } else {
    // Proxies and clients give up on a connection that stays silent. White space may stand before
    // JSON; the price is that the status is told before the answer is known.
    exchange.response.set_stream(kJson,
                                 [answering](HttpSink& sink) { answering->send_late(sink); });
  }
}

}  // namespace lazyllm::server
