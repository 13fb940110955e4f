// SPDX-License-Identifier: Apache-2.0
#include "server/prompt_logprobs.h"

#include "server/request_error.h"

namespace lazyllm::server {
namespace {

constexpr std::chrono::milliseconds kSlice(50);  // how soon a client that went away is noticed

}  // namespace

std::vector<AnswerToken> prompt_logprobs(Scheduler& scheduler, std::span<const TokenId> tokens,
                                         int top, const std::function<bool()>& peer_gone) {
  AnswerRequest request;
  request.prompt.assign(tokens.begin(), tokens.end());
  request.pruning.policy = "dense";
  request.generation.max_tokens = 0;
  request.prompt_logprobs = top;
  request.use_cache = false;
  const std::unique_ptr<Answer> answer = scheduler.submit(std::move(request));
  while (true) {
    std::optional<AnswerEvent> event = answer->wait(kSlice);
    if (peer_gone()) throw RequestError(499, "client_error", "client_gone", "the client went away");
    if (!event) continue;
    auto* end = std::get_if<AnswerEnd>(&*event);
    if (end == nullptr) continue;
    if (end->error) throw RequestError(*end->error);
    if (end->reason == FinishReason::cancelled) {
      throw RequestError(503, "unavailable_error", "stopping",
                         "the server is stopping; send the request again");
    }
    return std::move(end->prompt_logprobs);
  }
}

}  // namespace lazyllm::server
