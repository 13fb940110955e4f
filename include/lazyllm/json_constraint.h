// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string_view>

#include "lazyllm/model.h"
#include "lazyllm/scheduler.h"

namespace lazyllm {

/// Answers that are one JSON object with anything inside. Each answer needs a constraint of its
/// own; the functions themselves are thread-safe. The first one for a model sorts its vocabulary
/// (tens of milliseconds), further ones are quick.
///
/// A text that ends with an end-of-generation token is complete. One that was cut off before is
/// the beginning of a complete one.
///
/// Errors: Error(unsupported) for a model without a tokenizer, without an end-of-generation token
/// or without a token for each ASCII character.
std::shared_ptr<TokenConstraint> make_json_object_constraint(std::shared_ptr<const Model> model);

/// Answers that are valid against a JSON Schema. Properties come in the schema's order, additional
/// ones behind them. docs/structured-output.md says which keywords are honoured.
///
/// Errors: as above, and Error(invalid_input) naming the place in the schema (a JSON pointer), what
/// is not supported there and what is; Error(usage) once `stop` was requested. A schema is compiled
/// once for a model and kept for further answers; the caller waits for it, nobody else.
///
/// `restrict` throws nothing whatever the logits hold. Logits that were minus infinity before (such
/// as by a bias) stay so: then all may be minus infinity, and no token is possible.
std::shared_ptr<TokenConstraint> make_json_schema_constraint(std::shared_ptr<const Model> model,
                                                             std::string_view schema_json,
                                                             const std::stop_token& stop = {});

/// Gives each answer a constraint of its own. Thread-safe.
using ConstraintFactory = std::function<std::shared_ptr<TokenConstraint>()>;

/// Answers that are a text of a grammar in llama.cpp's GBNF. Compiled once, here.
/// Errors: as above; Error(invalid_input) names the line.
ConstraintFactory grammar_constraints(std::shared_ptr<const Model> model, std::string_view gbnf);

/// Answers that match a regular expression as a whole, in the subset of "pattern" in a schema.
ConstraintFactory pattern_constraints(std::shared_ptr<const Model> model, std::string_view pattern);

}  // namespace lazyllm
