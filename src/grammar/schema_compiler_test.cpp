// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "grammar/recognise_for_tests.h"
#include "lazyllm/error.h"

namespace lazyllm::grammar {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string refusal(std::string_view schema) {
  try {
    compile_schema(schema);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_input);
    return error.what();
  }
  return "";
}

TEST(SchemaCompiler, NamesThePlaceOfWhatItRefuses) {
  EXPECT_THAT(refusal(R"({"properties": {"a/b": {"items": {"contains": {}}}}})"),
              AllOf(HasSubstr("#/properties/a~1b/items"), HasSubstr("\"contains\""),
                    HasSubstr("supported are")));
  EXPECT_THAT(refusal(R"({"anyOf": [{}, {"type": "text"}]})"), HasSubstr("#/anyOf/1"));
  EXPECT_THAT(refusal(R"s({"items": {"type": "string", "pattern": "a(?!b)"}})s"),
              AllOf(HasSubstr("#/items"), HasSubstr("byte")));
  EXPECT_THAT(refusal(R"({"type": )"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal("{\"const\": \"\xff\"}"), HasSubstr("not valid JSON"));
  EXPECT_THAT(refusal(std::string(300, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(refusal(R"({"minLength": -1})"), HasSubstr("minLength"));
  EXPECT_THAT(refusal(R"({"exclusiveMinimum": true})"), HasSubstr("must be a number"));
}

TEST(SchemaCompiler, MergesAllOfAndSiblings) {
  const char* schema = R"({"type": "object", "properties": {"a": {"type": "number"}},
    "allOf": [{"properties": {"a": {"minimum": 2}, "b": {"type": "string"}}, "required": ["a"]},
              {"additionalProperties": {"type": ["integer", "string"]}}]})";
  EXPECT_TRUE(accepts(schema, R"({"a":2})"));
  EXPECT_FALSE(accepts(schema, R"({"a":1})"));
  EXPECT_FALSE(accepts(schema, R"({"a":2.5})"));  // additional for the third part
  EXPECT_TRUE(accepts(schema, R"({"a":2,"b":"x","c":3})"));
  EXPECT_FALSE(accepts(schema, R"({"a":2,"c":null})"));
  const char* range =
      R"({"$ref": "#/$defs/n", "maximum": 5, "$defs": {"n": {"type": "integer", "minimum": 4}}})";
  EXPECT_TRUE(accepts(range, "5"));
  EXPECT_FALSE(accepts(range, "3"));
  EXPECT_FALSE(accepts(range, "6"));
  EXPECT_TRUE(accepts(R"({"allOf": [{"enum": [1, 2, "a"]}, {"enum": ["a", 2.0]}]})", "2"));
  EXPECT_FALSE(accepts(R"({"allOf": [{"enum": [1, 2, "a"]}, {"enum": ["a", 2.0]}]})", "1"));
}

TEST(SchemaCompiler, TakesOneOfOnlyWhereOneHoldsForSure) {
  for (
      const char* good :
      {R"({"oneOf": [{"type": "string"}, {"type": "integer"}]})",
       R"({"oneOf": [{"enum": [1, "a"]}, {"const": "b"}]})",
       R"({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "number", "exclusiveMinimum": 3}]})",
       R"({"oneOf": [{"type": "string", "maxLength": 2}, {"type": "string", "minLength": 3}]})",
       R"({"type": "object", "required": ["k"], "oneOf": [{"properties": {"k": {"const": 1}}}, {"properties": {"k": {"const": 2}}}]})",
       R"({"oneOf": [{"type": "object", "required": ["a"]}, {"type": "object", "properties": {"b": {}}, "additionalProperties": false}]})",
       R"({"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["t"],
            "oneOf": [{"properties": {"t": {"const": "x"}}}, {"properties": {"t": {"const": "y"}}}]})"}) {
    EXPECT_EQ(refusal(good), "") << good;
  }
  for (
      const char* bad :
      {R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})",
       R"({"oneOf": [{"enum": [1, "a"]}, {"type": "integer"}]})",
       R"({"oneOf": [{"required": ["a"]}, {"minLength": 1}]})",
       R"({"oneOf": [{"type": "object", "properties": {"k": {"const": 1}}}, {"type": "object", "properties": {"k": {"const": 2}}}]})",
       R"({"oneOf": [{"type": "integer", "maximum": 3}, {"type": "number", "minimum": 3}]})",
       R"({"oneOf": [{}, {}]})"}) {
    EXPECT_THAT(refusal(bad), HasSubstr("oneOf")) << bad;
  }
}

TEST(SchemaCompiler, ReadsReferences) {
  const char* schema =
      R"({"$ref": "#/definitions/a%20b", "definitions": {"a b": {"$ref": "#/x~1y/0"}}, "x/y": [{"const": 1}]})";
  EXPECT_TRUE(accepts(schema, "1"));
  EXPECT_THAT(refusal(R"({"anyOf": [{"$ref": "#"}, {"type": "null"}]})"),
              HasSubstr("back to itself"));
  EXPECT_THAT(refusal(R"({"items": {"$ref": "other.json"}})"), HasSubstr("#/items"));
  EXPECT_TRUE(accepts(R"({"type": "array", "items": {"$ref": "#"}})", "[[],[[]]]"));
}

TEST(SchemaCompiler, IgnoresAnnotations) {
  const char* schema = R"({"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "x",
    "title": 1, "description": "d", "default": 3, "examples": [], "format": "colour",
    "type": "string", "unknown": {"not": 1}, "uniqueItems": false, "$comment": "c"})";
  EXPECT_TRUE(accepts(schema, R"("no address")"));
}

TEST(SchemaCompiler, WithoutTypeTheKeywordsTellIt) {
  EXPECT_TRUE(accepts(R"({"properties": {"a": {}}})", "{}"));
  EXPECT_FALSE(accepts(R"({"properties": {"a": {}}})", "1"));
  EXPECT_TRUE(accepts(R"({"description": "anything"})", "[1]"));
  EXPECT_TRUE(accepts("true", "null"));
}

}  // namespace
}  // namespace lazyllm::grammar
