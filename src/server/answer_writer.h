// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "server/answer_record.h"
#include "server/request_error.h"

namespace lazyllm::server {

/// How a protocol writes an answer: whole, or as the pieces of a stream. One object serves one
/// request, so it may remember what it has said. An empty piece is not sent.
class AnswerWriter {
 public:
  virtual ~AnswerWriter() = default;

  /// The body of an answer that is not streamed.
  virtual Json whole(const AnswerRecord& record) = 0;

  virtual const char* stream_type() const { return "text/event-stream"; }
  /// Before anything is computed.
  virtual std::string begin(const AnswerRecord&) { return {}; }
  /// Only where the request asks for it.
  virtual std::string progress(const AnswerRecord&, const ChoiceRecord&, const PromptProgress&) {
    return {};
  }
  /// `choice` has taken the delta already.
  virtual std::string delta(const AnswerRecord& record, const ChoiceRecord& choice,
                            const Delta& delta) = 0;
  /// After all choices are complete.
  virtual std::string end(const AnswerRecord& record) = 0;
  /// Says nothing to the client but that somebody is still at work.
  virtual std::string keep_alive() const { return ": ping\n\n"; }
  /// The last piece of a stream that breaks off.
  virtual std::string error(const RequestError& error) const = 0;
};

/// A server-sent event without a name.
std::string event_text(const Json& json);
/// A server-sent event that is named as its data is: {"type": "..."}.
std::string named_event_text(const Json& json);

}  // namespace lazyllm::server
