// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/answer_writer.h"

namespace lazyllm::server {

/// OpenAI's responses: a list of items, a message and calls of functions, and named events with
/// numbers. Keeps the finished response for requests that go on from it.
class ResponsesWriter : public AnswerWriter {
 public:
  /// `body`: of the request. `conversation`: the messages it stands for, without instructions.
  ResponsesWriter(const Fields& body, Json conversation);

  Json whole(const AnswerRecord& record) override;
  std::string begin(const AnswerRecord& record) override;
  std::string progress(const AnswerRecord& record, const ChoiceRecord& choice,
                       const PromptProgress& progress) override;
  std::string delta(const AnswerRecord& record, const ChoiceRecord& choice,
                    const Delta& delta) override;
  std::string end(const AnswerRecord& record) override;
  std::string error(const RequestError& error) const override;

 private:
  Json response(const AnswerRecord& record, const char* status) const;
  Json finished(const AnswerRecord& record);
  Json reasoning_item(const AnswerRecord& record, const std::string& thought) const;
  Json message_item(const AnswerRecord& record, const char* status) const;
  Json call_item(const AnswerRecord& record, const ToolCall& call, size_t index,
                 const char* status) const;
  void keep(const AnswerRecord& record, const Json& response);

  std::string event(Json json);
  enum class Open { none, reasoning, message, call };
  std::string added(const Json& item);
  std::string done(const Json& item);
  std::string about(const char* type, const std::string& id, Json more);
  std::string open(const AnswerRecord& record, Open kind);
  std::string close(const AnswerRecord& record);
  std::string call_piece(const AnswerRecord& record, const Choice& choice, const CallPiece& piece);

  Json echo_;          ///< of the request's fields
  Json conversation_;  ///< what went before this answer
  Json input_;
  bool store_;
  int64_t number_ = 0;      ///< of the next event
  int64_t item_ = -1;       ///< the last output item that was added
  Open open_ = Open::none;  ///< what that is, while it goes on
  std::string text_;        ///< of the open message or thought
};

}  // namespace lazyllm::server
