// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/answer_shape.h"
#include "server/http_message.h"
#include "server/model_service.h"
#include "server/tool_call_parser.h"

namespace lazyllm::server {

/// A prompt of a request, with what the answer repeats of it.
struct Prompt {
  std::vector<TokenId> tokens;
  std::vector<TokenRange> protected_ranges;
  std::string echo;                        ///< put before the answer
  std::vector<AnswerToken> echo_logprobs;  ///< of the prompt's tokens
};

/// A request read and checked.
struct AnswerJob {
  GenerationRequest request;
  std::vector<Prompt> prompts;
  std::unique_ptr<AnswerShape> shape;
  ToolCallParser::Form tool_form = ToolCallParser::Form::none;
  /// A constraint for one choice, or none.
  std::function<std::shared_ptr<TokenConstraint>()> make_constraint;
};

/// The answers of one request, from the scheduler to the client. Used by one thread.
class Answering {
 public:
  /// Queues all choices. Errors: those of Scheduler::submit.
  Answering(ModelService& service, AnswerJob job, Exchange& exchange);

  /// Waits for the whole answer. Errors: RequestError, 499 if the client went away.
  Json whole();
  /// Sends server-sent events as they come.
  void stream(HttpSink& sink);

 private:
  struct Running {
    std::unique_ptr<Answer> answer;
    Choice choice;
    ToolCallParser tools;
    size_t prompt = 0;
    bool first = true;
    std::optional<AnswerEnd> end = {};
  };
  /// Takes an event; false: stop.
  using OnEvent = std::function<bool(Running&, AnswerEvent&)>;

  bool pump(const OnEvent& on_event, const std::function<bool()>& on_silence);
  /// Takes a token or the end into the choice and says what is new.
  std::optional<Delta> advance(Running& running, AnswerEvent& event);
  void finish(Running& running, AnswerEnd& end, Delta& delta);
  Delta take(Running& running, std::string_view text, bool last);
  Json frame(const char* object) const;
  Json usage() const;
  void add_figures(Json& json);
  Json progress_chunk(const PrefillProgress& progress) const;
  void note_gone_client();

  ModelService& service_;
  AnswerJob job_;
  Exchange& exchange_;
  std::string id_;
  std::time_t created_;
  std::chrono::steady_clock::time_point start_;
  std::vector<Running> running_;
};

/// Answers the exchange, as a stream if the request asks for one.
void answer(ModelService& service, Exchange& exchange, AnswerJob job);

}  // namespace lazyllm::server
