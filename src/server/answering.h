// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/answer_writer.h"
#include "server/client_watch.h"
#include "server/http_message.h"
#include "server/reasoning_splitter.h"
#include "server/response_format.h"
#include "server/text_offsets.h"
#include "server/tool_call_parser.h"

namespace lazyllm::server {

/// A request read and checked.
struct AnswerJob {
  GenerationRequest request;
  std::vector<Prompt> prompts;
  std::unique_ptr<AnswerWriter> writer;
  ReasoningSplitter::Mode reasoning = ReasoningSplitter::Mode::off;
  ToolCallParser::Form tool_form = ToolCallParser::Form::none;
  /// A constraint for one choice, or none.
  ConstraintMaker make_constraint;
};

/// The answers of one request, from the scheduler to the client. Used by one thread.
class Answering {
 public:
  /// Queues all choices. Errors: those of Scheduler::submit.
  Answering(ModelService& service, AnswerJob job, Exchange& exchange);

  /// Waits for the answer; false: `limit` passed before it was complete. May be called again.
  /// Errors: RequestError, 499 if the client went away.
  bool collect(std::chrono::steady_clock::time_point limit);
  /// The complete answer's body.
  Json whole() { return job_.writer->whole(record_); }
  /// Sends white space while the answer is made and then its body, or that of an error.
  void send_late(HttpSink& sink);
  /// Sends the pieces of a stream as they come.
  void stream(HttpSink& sink);

  const AnswerWriter& writer() const { return *job_.writer; }

 private:
  struct Running {
    std::unique_ptr<Answer> answer;
    ReasoningSplitter reasoning;
    ToolCallParser tools;
    TextOffsets offsets;
    bool first = true;
    int64_t reported = -1;  ///< the last report about the prompt
  };
  /// Takes an event; false: stop.
  using OnEvent = std::function<bool(size_t index, AnswerEvent&)>;
  enum class Pumped { complete, stopped, gone };

  std::shared_ptr<TokenConstraint> make_constraint(const ClientWatch& client) const;
  Pumped pump(const OnEvent& on_event, const std::function<bool()>& on_round);
  /// Takes a token or the end into the choice and says what is new.
  std::optional<Delta> advance(size_t index, AnswerEvent& event);
  void finish(size_t index, AnswerEnd& end, Delta& delta);
  Delta take(size_t index, std::string_view text, bool last);
  void add_tokens(size_t index, Delta& delta, AnswerToken* token);
  std::string progress(size_t index, const PrefillProgress& event);
  std::string progress_ended(size_t index);
  std::string report(size_t index, PromptProgress progress);
  void note_gone_client();

  ModelService& service_;
  AnswerJob job_;
  Exchange& exchange_;
  AnswerRecord record_;
  std::vector<Running> running_;  ///< one for each choice of the record
};

/// Answers the exchange, as a stream if the request asks for one.
void answer(ModelService& service, Exchange& exchange, AnswerJob job);

}  // namespace lazyllm::server
