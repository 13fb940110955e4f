// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_compiler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "grammar/recognise_for_tests.h"

namespace lazyllm::grammar {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(SchemaCompiler, NamesThePlaceOfWhatItRefuses) {
  EXPECT_THAT(refusal(R"({"properties": {"a/b": {"items": {"unevaluatedItems": {}}}}})"),
              AllOf(HasSubstr("#/properties/a~1b/items"), HasSubstr("\"unevaluatedItems\""),
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
       R"({"oneOf": [{"enum": [1, "a"]}, {"type": "integer"}]})",
       R"({"oneOf": [{"required": ["a"]}, {"minLength": 1}]})",
       R"({"oneOf": [{"type": "object", "properties": {"k": {"const": 1}}}, {"type": "object", "properties": {"k": {"const": 2}}}]})",
       R"({"type": "object", "properties": {"n": {"$ref": "#"}}, "required": ["t"],
            "oneOf": [{"properties": {"t": {"const": "x"}}}, {"properties": {"t": {"const": "y"}}}]})"}) {
    EXPECT_EQ(refusal(good), "") << good;
  }
  for (
      const char* bad :
      {R"({"oneOf": [{"type": "array", "items": {"minimum": 1}}, {"type": "array", "items": {"maximum": 1}}]})",
       R"({"oneOf": [{"type": "integer", "multipleOf": 2}, {"type": "integer", "multipleOf": 3}]})"}) {
    EXPECT_THAT(refusal(bad), HasSubstr("oneOf")) << bad;
  }
  EXPECT_THAT(refusal(R"({"oneOf": [{"type": "integer"}, {"type": "number"}]})"),
              HasSubstr("no integer"));
  EXPECT_THAT(refusal(R"({"oneOf": [{}, {}]})"), HasSubstr("no value"));
}

/// Texts that a schema takes, and such as it does not.
void expect(const char* schema, std::initializer_list<const char*> good,
            std::initializer_list<const char*> bad) {
  for (const char* text : good) EXPECT_TRUE(accepts(schema, text)) << schema << " " << text;
  for (const char* text : bad) EXPECT_FALSE(accepts(schema, text)) << schema << " " << text;
}

TEST(SchemaCompiler, HoldsWhatIsRuledOut) {
  expect(R"({"not": {"type": ["string", "integer", "number"]}})", {"null", "[1]"}, {"1", "\"a\""});
  expect(R"({"type": "string", "not": {"enum": ["ab", "a", "b*"]}})",
         {R"("")", R"("b")", R"("abc")", R"("B")"}, {R"("ab")", R"("a")", R"("b*")"});
  expect(R"({"type": "string", "not": {"pattern": "^a|z"}})", {R"("ba")"}, {R"("ab")", R"("uzu")"});
  expect(R"({"type": "integer", "not": {"enum": [3, 5]}})", {"2", "4", "6"}, {"3", "5"});
  expect(R"({"type": "integer", "not": {"minimum": 2, "maximum": 4}})", {"1", "5"}, {"2", "4"});
  expect(R"({"type": "object", "properties": {"a": {}, "b": {}}, "not": {"required": ["a", "b"]}})",
         {"{}", R"({"a":1})", R"({"b":1})"}, {R"({"a":1,"b":1})"});
  expect(R"({"type": "object", "properties": {"a": {"type": "integer"}},
            "not": {"properties": {"a": {"const": 1}}, "required": ["a"]}})",
         {"{}", R"({"a":2})"}, {R"({"a":1})"});
  expect(R"({"type": "string", "not": {"not": {"const": "a"}}})", {R"("a")"}, {R"("b")"});
  expect(R"({"$defs": {"s": {"maxLength": 2}}, "type": "string", "not": {"$ref": "#/$defs/s"}})",
         {R"("abc")"}, {R"("ab")"});
  EXPECT_THAT(refusal(R"({"type": "array", "not": {"items": {"type": "null"}}})"),
              HasSubstr("\"items\" is not supported where it is ruled out"));
}

TEST(SchemaCompiler, HoldsConditionsAndWhatDepends) {
  expect(R"({"type": "object", "properties": {"k": {"enum": ["x", "y"]}, "v": {}},
            "if": {"properties": {"k": {"const": "x"}}, "required": ["k"]},
            "then": {"required": ["v"]}, "else": {"properties": {"v": {"type": "null"}}}})",
         {R"({"k":"x","v":1})", R"({"k":"y"})", R"({"k":"y","v":null})", "{}"},
         {R"({"k":"x"})", R"({"k":"y","v":1})"});
  expect(R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}},
            "dependentRequired": {"a": ["b"]}, "dependentSchemas": {"c": {"required": ["a"]}}})",
         {"{}", R"({"b":1})", R"({"a":1,"b":1,"c":1})"},
         {R"({"a":1})", R"({"c":1})", R"({"b":1,"c":1})"});
  expect(R"({"dependencies": {"a": ["b"]}, "properties": {"a": {}, "b": {}}, "type": "object"})",
         {"{}", R"({"a":1,"b":1})"}, {R"({"a":1})"});
}

TEST(SchemaCompiler, CountsProperties) {
  const char* schema = R"({"type": "object", "properties": {"a": {}, "b": {}, "c": {}},
    "required": ["c"], "additionalProperties": false, "minProperties": 2, "maxProperties": 2})";
  expect(schema, {R"({"a":1,"c":1})", R"({"b":1,"c":1})"},
         {"{}", R"({"c":1})", R"({"a":1,"b":1,"c":1})"});
  EXPECT_EQ(recognise(schema, R"({"c")"), Verdict::refused);        // one is not enough then
  EXPECT_EQ(recognise(schema, R"({"a":1,"b")"), Verdict::refused);  // no place for c then
  expect(R"({"type": "object", "minProperties": 1, "maxProperties": 2})",
         {R"({"x":1})", R"({"x":1,"y":2})"}, {"{}", R"({"x":1,"y":2,"z":3})"});
  EXPECT_THAT(refusal(R"({"type": "object", "properties": {"a": {}}, "additionalProperties": false,
                         "minProperties": 2})"),
              HasSubstr("no value"));
  EXPECT_THAT(refusal(R"({"type": "object", "required": ["a", "b"], "maxProperties": 1})"),
              HasSubstr("no value"));
}

TEST(SchemaCompiler, HoldsPatternsOfNames) {
  const char* schema = R"({"type": "object", "properties": {"xa": {"type": "integer"}},
    "patternProperties": {"^x": {"type": ["integer", "null"]}, "a$": {"minimum": 5}},
    "additionalProperties": {"type": "string"}})";
  expect(schema,
         {R"({"xa":5,"xb":null,"za":7,"other":"t"})", R"({"xba":9})", "{}", R"({"other":"t"})"},
         {R"({"xa":4})", R"({"xa":null})", R"({"xb":"t"})", R"({"za":1})", R"({"other":1})",
          R"({"xb":1,"xb":1})"});
  expect(R"({"type": "object", "patternProperties": {"^x": {}}, "additionalProperties": false,
            "required": ["xy"]})",
         {R"({"xy":1})", R"({"xy":1,"x":2})"}, {"{}", R"({"xy":1,"y":2})"});
  expect(R"({"allOf": [{"patternProperties": {"a": {"type": "integer"}}},
                       {"properties": {"a": {"minimum": 3}}, "additionalProperties": false}],
            "type": "object"})",
         {R"({"a":3})"}, {R"({"a":2})", R"({"a":"x"})", R"({"ba":3})"});
  expect(R"({"type": "object", "propertyNames": {"maxLength": 2, "pattern": "^k"},
            "properties": {"k": {}, "no": {}}})",
         {R"({"k":1})", R"({"k":1,"kk":2})"}, {R"({"no":1})", R"({"kkk":1})", R"({"j":1})"});
  EXPECT_THAT(
      refusal(R"({"type": "object", "propertyNames": {"pattern": "^k"}, "required": ["a"]})"),
      HasSubstr("no value"));
  EXPECT_THAT(refusal(R"({"items": {"patternProperties": {"(": {}}}})"),
              AllOf(HasSubstr("#/items"), HasSubstr("byte")));
}

TEST(SchemaCompiler, FindsSchemasByTheirNames) {
  expect(R"({"$id": "http://x/s", "$defs": {"a": {"$anchor": "n", "type": "null"}},
            "items": {"$ref": "#n"}, "type": "array"})",
         {"[null]"}, {"[1]"});
  expect(R"({"$id": "http://x/s", "definitions": {"a": {"type": "null"}},
            "items": {"$ref": "http://x/s#/definitions/a"}, "type": "array"})",
         {"[null]"}, {"[1]"});
  expect(R"({"definitions": {"a": {"$id": "#n", "type": "null"}}, "items": {"$ref": "#n"}})",
         {"[null]"}, {"[1]"});
  EXPECT_THAT(refusal(R"({"$defs": {"a": {"$anchor": "n"}, "b": {"$anchor": "n"}}, "$ref": "#n"})"),
              HasSubstr("the one place"));
  EXPECT_THAT(refusal(R"({"properties": {"a": {"$id": "y", "items": {"$ref": "#/b"}}}})"),
              HasSubstr("\"$id\" below the root"));
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
