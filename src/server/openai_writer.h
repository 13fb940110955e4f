// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "server/answer_writer.h"

namespace lazyllm::server {

/// OpenAI's chat and plain completions.
class OpenAiWriter : public AnswerWriter {
 public:
  /// `names_role`: the stream of each choice begins with a chunk that holds the role alone.
  OpenAiWriter(std::unique_ptr<AnswerShape> shape, bool names_role)
      : shape_(std::move(shape)), names_role_(names_role) {}

  Json whole(const AnswerRecord& record) override;
  std::string progress(const AnswerRecord& record, const ChoiceRecord& choice,
                       const PromptProgress& progress) override;
  std::string delta(const AnswerRecord& record, const ChoiceRecord& choice,
                    const Delta& delta) override;
  std::string end(const AnswerRecord& record) override;
  std::string error(const RequestError& error) const override;

 private:
  Json frame(const AnswerRecord& record, const char* object) const;
  Json chunk(const AnswerRecord& record) const;

  std::unique_ptr<AnswerShape> shape_;
  bool names_role_;
};

}  // namespace lazyllm::server
