// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "lazyllm/json_constraint.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// Makes the constraint of one choice. Errors: RequestError 400 for a schema that cannot be held;
/// any error once a stop was asked for.
using ConstraintMaker =
    std::function<std::shared_ptr<TokenConstraint>(const std::stop_token& stop)>;

/// A maker for the JSON schema. `field`: what the client wrote it in.
ConstraintMaker schema_constraint(std::shared_ptr<const Model> model, std::string schema,
                                  std::string field);

/// The form that a request wants its answers in: OpenAI's `response_format`, llama-server's
/// `json_schema` and `grammar`, vLLM's `guided_json`, `guided_regex`, `guided_choice` and
/// `structured_outputs`. Empty: any text. Errors: RequestError 400, also for two forms at once.
ConstraintMaker parse_answer_form(const Fields& body, const std::shared_ptr<const Model>& model);

}  // namespace lazyllm::server
