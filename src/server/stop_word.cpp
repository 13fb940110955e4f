// SPDX-License-Identifier: Apache-2.0
#include "server/stop_word.h"

namespace lazyllm::server {

std::optional<std::string> stop_word(const AnswerRecord& record, const ChoiceRecord& choice) {
  if (!choice.end || choice.end->reason != FinishReason::stop || choice.ended_itself)
    return std::nullopt;
  // The text was cut before the string, the tokens were not: the first to appear in them it was.
  std::string written;
  for (const TokenId token : choice.choice.ids) written += record.service.model->piece(token);
  std::optional<std::string> found;
  size_t first = std::string::npos;
  for (const std::string& stop : record.request.answer.generation.stop) {
    const size_t place = written.find(stop);
    if (place >= first) continue;
    first = place;
    found = stop;
  }
  return found;
}

}  // namespace lazyllm::server
