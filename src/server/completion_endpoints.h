// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>

#include "server/answering.h"
#include "server/chat_request.h"
#include "server/endpoint.h"
#include "server/parameters.h"

namespace lazyllm::server {

/// OpenAI's chat and plain completions.
std::span<const Endpoint> openai_endpoints();

/// Reads the body of a chat, in OpenAI's fields; other protocols translate theirs into these. The
/// job has no writer yet. Errors: RequestError 400.
AnswerJob chat_job(ModelService& service, Exchange& exchange, const Json& body);

/// The conversation of such a body, with what the server's flags say of it.
ChatRequest read_chat(const ModelService& service, const Fields& body);

/// The same of a plain completion.
AnswerJob text_job(ModelService& service, Exchange& exchange, const Json& body);

/// How many tokens a chat has as a prompt. Errors: RequestError 400.
int64_t count_tokens_of_chat(const ModelService& service, const Json& body);

/// Holds a body's names against the list of parameters. Those that nobody knows are told in the
/// response and the log, so that nobody believes that they worked. Errors: check_parameters'.
void check_names(Exchange& exchange, const Fields& body, RequestKind kind);

/// The fields that all requests share, checked.
GenerationRequest parse_common(const ModelService& service, Exchange& exchange, const Fields& body,
                               RequestKind kind);

}  // namespace lazyllm::server
