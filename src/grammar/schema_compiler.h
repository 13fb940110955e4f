// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <stop_token>
#include <string_view>

#include "grammar/grammar.h"

namespace lazyllm::grammar {

/// The values of a JSON Schema, in the subset that can be honoured while writing from left to
/// right. Unknown keywords, titles, descriptions, defaults demand nothing.
///
/// Every text of the grammar is valid JSON that fulfils the schema. Of the values that fulfil
/// it, those are written whose properties come in the schema's order with additional ones behind
/// them, with numbers of bounded length, nested at most 32 levels deeper than need be.
///
/// Errors: Error(invalid_input) naming the place in the schema, what is not supported and what is;
/// Error(usage) once `stop` was requested.
std::shared_ptr<const Grammar> compile_schema(std::string_view schema_json,
                                              const std::stop_token& stop = {});

}  // namespace lazyllm::grammar
