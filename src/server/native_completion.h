// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "server/answering.h"
#include "server/endpoint.h"
#include "server/parameters.h"

namespace lazyllm::server {

/// POST /completion and /completions with llama-server's own fields.
void answer_native_completion(ModelService& service, Exchange& exchange);

/// The job of such a request, without its prompts.
AnswerJob native_job(ModelService& service, Exchange& exchange, const Fields& body,
                     RequestKind kind);

/// What native requests say of the form of their answer.
struct NativeForm {
  bool tokens = false;              ///< their ids in the whole answer
  std::vector<std::string> fields;  ///< "a/b": only these; none: all
};

NativeForm parse_native_form(const Fields& body);

/// The settings of an answer as llama-server names them.
Json generation_settings(const ModelService& service, const GenerationRequest& request,
                         uint64_t seed);

/// llama-server's own form of an answer.
class NativeWriter : public AnswerWriter {
 public:
  explicit NativeWriter(NativeForm form) : form_(std::move(form)) {}

  Json whole(const AnswerRecord& record) override;
  std::string progress(const AnswerRecord& record, const ChoiceRecord& choice,
                       const PromptProgress& progress) override;
  std::string delta(const AnswerRecord& record, const ChoiceRecord& choice,
                    const Delta& delta) override;
  std::string end(const AnswerRecord&) override { return {}; }
  std::string error(const RequestError& error) const override;

 private:
  Json final(const AnswerRecord& record, const ChoiceRecord& choice, bool streamed) const;
  Json chunk(const AnswerRecord& record, const ChoiceRecord& choice) const;

  NativeForm form_;
};

}  // namespace lazyllm::server
