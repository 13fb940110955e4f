// SPDX-License-Identifier: Apache-2.0
#include "server/response_format.h"

#include <fmt/format.h>

#include <optional>

#include "lazyllm/json_constraint.h"

namespace lazyllm::server {
namespace {

/// What an answer is held to, and the field that says so.
struct Form {
  enum class Kind { schema, grammar, pattern } kind = Kind::schema;
  std::string text;
  std::string field;
};

constexpr const char* kAnyObject = R"({"type": "object"})";
constexpr size_t kMostListed = 1000;

/// A schema as JSON, or as a text that holds it.
Form schema_form(const Json& schema, const std::string& field) {
  if (schema.is_string()) return {Form::Kind::schema, schema.get<std::string>(), field};
  if (schema.is_object() || schema.is_boolean()) return {Form::Kind::schema, dump(schema), field};
  throw invalid_request(field, field + " must be a JSON schema", "invalid_type");
}

/// A text as a terminal of a grammar.
std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

Form choice_form(const Json& choices, const std::string& field) {
  if (!choices.is_array() || choices.empty() || choices.size() > kMostListed) {
    throw invalid_request(field,
                          fmt::format("{} must be a list of 1 to {} texts", field, kMostListed),
                          "invalid_type");
  }
  std::string grammar = "root ::= ";
  for (const Json& choice : choices) {
    if (&choice != &choices[0]) grammar += " | ";
    grammar += quoted(to_text(choice, field));
  }
  return {Form::Kind::grammar, grammar, field};
}

Form regex_form(const Json& pattern, const std::string& field) {
  return {Form::Kind::pattern, to_text(pattern, field), field};
}

std::optional<Form> openai_form(const Fields& body) {
  const auto format = body.object("response_format");
  if (!format) return std::nullopt;
  const std::string field = "response_format";
  const std::string type = to_text(format->require("type"), field + ".type");
  if (type == "text") return std::nullopt;
  const Json* schema = format->find("schema");  // as llama-server has it
  if (type == "json_object") {
    if (schema != nullptr) return schema_form(*schema, field);
    return Form{Form::Kind::schema, kAnyObject, field};
  }
  if (type != "json_schema") {
    throw invalid_request(
        field + ".type",
        fmt::format("response_format.type \"{}\" is unknown; there are text, json_object and "
                    "json_schema",
                    type));
  }
  if (const auto wrapper = format->object("json_schema")) {
    return schema_form(wrapper->require("schema"), field);
  }
  if (schema != nullptr) return schema_form(*schema, field);
  throw invalid_request(field + ".json_schema", "response_format.json_schema is missing",
                        "missing_required_parameter");
}

/// The forms among the fields of `object` whose names begin with `prefix`.
void add_forms(const Fields& object, const std::string& prefix, std::vector<Form>& forms) {
  const auto find = [&](const char* name) { return object.find((prefix + name).c_str()); };
  const auto field = [&](const char* name) { return object.path_of(prefix + name); };
  if (const Json* json = find("json")) forms.push_back(schema_form(*json, field("json")));
  if (const Json* json = find("regex")) forms.push_back(regex_form(*json, field("regex")));
  if (const Json* json = find("choice")) forms.push_back(choice_form(*json, field("choice")));
  if (const Json* json = find("grammar")) {
    forms.push_back({Form::Kind::grammar, to_text(*json, field("grammar")), field("grammar")});
  }
  if (object.boolean((prefix + "json_object").c_str()).value_or(false)) {
    forms.push_back({Form::Kind::schema, kAnyObject, field("json_object")});
  }
}

}  // namespace

ConstraintMaker schema_constraint(std::shared_ptr<const Model> model, std::string schema,
                                  std::string field) {
  return [model = std::move(model), schema = std::move(schema),
          field = std::move(field)](const std::stop_token& stop) {
    try {
      return make_json_schema_constraint(model, schema, stop);
    } catch (const Error& error) {
      throw invalid_request(field, error.what(), "invalid_schema");
    }
  };
}

ConstraintMaker parse_answer_form(const Fields& body, const std::shared_ptr<const Model>& model) {
  std::vector<Form> forms;
  if (auto form = openai_form(body)) forms.push_back(std::move(*form));
  if (const Json* schema = body.find("json_schema"); schema != nullptr) {
    forms.push_back(schema_form(*schema, "json_schema"));
  }
  if (const auto grammar = body.text("grammar"); grammar && !grammar->empty()) {
    forms.push_back({Form::Kind::grammar, *grammar, "grammar"});
  }
  add_forms(body, "guided_", forms);
  if (const auto object = body.object("structured_outputs")) add_forms(*object, "", forms);
  if (forms.empty()) return {};
  if (forms.size() > 1) {
    throw invalid_request(forms[1].field,
                          fmt::format("{} and {} both give the answer a form; leave one out",
                                      forms[0].field, forms[1].field));
  }
  const Form& form = forms[0];
  if (form.kind == Form::Kind::schema) return schema_constraint(model, form.text, form.field);
  try {
    return [make = form.kind == Form::Kind::grammar ? grammar_constraints(model, form.text)
                                                    : pattern_constraints(model, form.text)](
               const std::stop_token&) { return make(); };
  } catch (const Error& error) {
    throw invalid_request(form.field, error.what(), "invalid_grammar");
  }
}

}  // namespace lazyllm::server
