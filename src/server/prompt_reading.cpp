// SPDX-License-Identifier: Apache-2.0
#include "server/prompt_reading.h"

#include "server/http_message.h"
#include "server/request_error.h"

namespace lazyllm::server {
namespace {

AnswerRequest reading(std::span<const TokenId> tokens) {
  AnswerRequest request;
  request.prompt.assign(tokens.begin(), tokens.end());
  request.pruning.policy = "dense";
  request.generation.max_tokens = 0;
  request.use_cache = false;
  return request;
}

AnswerEnd end_of(Scheduler& scheduler, AnswerRequest request,
                 const std::function<bool()>& peer_gone) {
  const std::unique_ptr<Answer> answer = scheduler.submit(std::move(request));
  while (true) {
    std::optional<AnswerEvent> event = answer->wait(kNoticeGone);
    if (peer_gone()) throw RequestError(499, "client_error", "client_gone", "the client went away");
    if (!event) continue;
    auto* end = std::get_if<AnswerEnd>(&*event);
    if (end == nullptr) continue;
    if (end->error) throw RequestError(*end->error);
    if (end->reason == FinishReason::cancelled) {
      throw RequestError(503, "unavailable_error", "stopping",
                         "the server is stopping; send the request again");
    }
    return std::move(*end);
  }
}

}  // namespace

std::vector<AnswerToken> prompt_logprobs(Scheduler& scheduler, std::span<const TokenId> tokens,
                                         int top, const std::function<bool()>& peer_gone) {
  AnswerRequest request = reading(tokens);
  request.prompt_logprobs = top;
  return end_of(scheduler, std::move(request), peer_gone).prompt_logprobs;
}

std::vector<float> prompt_embedding(Scheduler& scheduler, std::span<const TokenId> tokens,
                                    Pooling pooling, bool of_tokens,
                                    const std::function<bool()>& peer_gone) {
  AnswerRequest request = reading(tokens);
  request.pooling = pooling;
  request.embeds_tokens = of_tokens;
  return end_of(scheduler, std::move(request), peer_gone).embedding;
}

std::vector<HeadAttention> attention_of(Scheduler& scheduler, std::span<const TokenId> tokens,
                                        const AttentionQuestion& question,
                                        const std::function<bool()>& peer_gone) {
  AnswerRequest request = reading(tokens);
  request.attention = question;
  return end_of(scheduler, std::move(request), peer_gone).attention;
}

}  // namespace lazyllm::server
