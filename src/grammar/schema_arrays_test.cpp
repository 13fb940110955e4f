// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "grammar/recognise_for_tests.h"

namespace lazyllm::grammar {
namespace {

using testing::AllOf;
using testing::HasSubstr;

void expect(const char* schema, std::initializer_list<const char*> good,
            std::initializer_list<const char*> bad) {
  for (const char* text : good) EXPECT_TRUE(accepts(schema, text)) << schema << text;
  for (const char* text : bad) EXPECT_FALSE(accepts(schema, text)) << schema << text;
}

TEST(SchemaArrays, UniqueItemsOfFewValuesComeInAnyOrder) {
  expect(R"({"items": {"enum": ["a", "b", 1]}, "uniqueItems": true})",
         {"[]", R"(["a"])", R"(["b","a"])", R"([1,"b","a"])"},
         {R"(["a","a"])", R"(["a","b","a"])", R"([1,"b","a",1])", R"(["c"])"});
  expect(R"({"items": {"type": "boolean"}, "uniqueItems": true, "minItems": 2})",
         {"[true,false]", "[false,true]"}, {"[]", "[true]", "[true,true]", "[true,false,true]"});
  expect(R"({"prefixItems": [{"enum": [1, 2]}, {"enum": [2.0, 3]}], "items": false,
             "uniqueItems": true})",
         {"[]", "[1,3]", "[2,3]", "[1,2.0]"}, {"[2,2.0]", "[1,3,1]"});
  // More values than arrangements can be written out for, but few items.
  expect(R"({"items": {"enum": [1,2,3,4,5,6,7,8,9,10]}, "uniqueItems": true, "maxItems": 2})",
         {"[]", "[7]", "[7,10]"}, {"[7,7]", "[1,2,3]"});
  expect(R"({"items": {"type": "string"}, "uniqueItems": true, "maxItems": 1})", {"[]", "[\"x\"]"},
         {"[\"x\",\"y\"]"});
  expect(R"({"allOf": [{"items": {"enum": [1, 2, 3]}}, {"uniqueItems": true}, {"maxItems": 2}]})",
         {"[1,3]"}, {"[1,1]", "[1,2,3]"});
}

TEST(SchemaArrays, SaysWhereUniqueItemsAreTooMany) {
  EXPECT_THAT(
      refusal(R"({"properties": {"a": {"items": {"type": "string"}, "uniqueItems": true}}})"),
      AllOf(HasSubstr("#/properties/a"), HasSubstr("few values")));
  EXPECT_THAT(refusal(R"({"uniqueItems": true})"), HasSubstr("few values"));
  EXPECT_THAT(refusal(R"({"items": {"enum": [1,2,3,4,5,6]}, "uniqueItems": true})"),
              HasSubstr("arrangements"));
  EXPECT_THAT(refusal(R"({"items": {"enum": [[1], [2]]}, "uniqueItems": true})"),
              HasSubstr("few values"));
  EXPECT_THAT(refusal(R"({"items": {"enum": [1]}, "uniqueItems": true, "minItems": 2})"),
              HasSubstr("no value"));
  EXPECT_THAT(refusal(R"({"uniqueItems": "yes"})"), HasSubstr("true or false"));
}

TEST(SchemaArrays, ContainedItemsStandAnywhere) {
  const char* one = R"({"items": {"type": "integer"}, "contains": {"minimum": 10}})";
  expect(one, {"[10]", "[1,2,30]", "[10,1]", "[1,20,3,40]"}, {"[]", "[1,2]", "[10,\"a\"]"});
  expect(R"({"items": {"type": "integer"}, "contains": {"minimum": 10}, "minContains": 2})",
         {"[10,11]", "[1,10,11,2]"}, {"[10]", "[1,10]"});
  expect(R"({"items": {"type": "integer"}, "contains": {"minimum": 10}, "minContains": 0})",
         {"[]", "[1]"}, {"[\"a\"]"});
  expect(R"({"items": {"type": "integer"}, "contains": {"minimum": 10}, "maxContains": 1})",
         {"[10]", "[1,2,30,4]"}, {"[]", "[10,11]", "[1]", "[1,10,2,10]"});
  expect(R"({"items": {"type": "integer"}, "contains": {"minimum": 10}, "minContains": 0,
             "maxContains": 1, "maxItems": 3})",
         {"[]", "[1,2]", "[1,10,2]"}, {"[10,11]", "[1,2,3,10]"});
  expect(R"({"items": {"enum": ["a", "b"]}, "contains": {"const": "b"}, "maxItems": 2})",
         {R"(["b"])", R"(["a","b"])", R"(["b","b"])"}, {R"(["a"])", R"(["a","a","b"])"});
  EXPECT_THAT(refusal(R"({"contains": {"minimum": 3}, "maxContains": 0})"), HasSubstr("no value"));
  EXPECT_THAT(refusal(R"({"contains": {"minimum": 3}, "maxContains": 5})"), HasSubstr("up to 1"));
  EXPECT_THAT(refusal(R"({"allOf": [{"contains": {"minimum": 3}}, {"contains": {"maximum": 1}}]})"),
              HasSubstr("together"));
  EXPECT_THAT(refusal(R"({"not": {"contains": {"const": 1}}})"), HasSubstr("contains"));
}

TEST(SchemaNumbers, BinaryFractionsAreMultiples) {
  expect(R"({"multipleOf": 0.25})", {"0", "1", "-3", "0.25", "12.75", "-0.5", "1.500"},
         {"0.1", "0.3", "1.26", "1e2"});
  expect(R"({"multipleOf": 1.5, "minimum": 1, "maximum": 5})", {"1.5", "3", "4.5", "3.0"},
         {"1", "2", "5", "6", "0"});
  expect(R"({"type": "integer", "multipleOf": 2.5})", {"0", "5", "-10"}, {"2.5", "3", "5.0"});
  expect(R"({"allOf": [{"multipleOf": 0.5}, {"multipleOf": 0.75}]})", {"1.5", "3", "0"},
         {"0.5", "0.75", "1"});
  expect(R"({"multipleOf": 0.5, "enum": [1, 1.5, 1.25]})", {"1", "1.5"}, {"1.25"});
  EXPECT_THAT(refusal(R"({"multipleOf": 0.01})"), HasSubstr("do not agree"));
  EXPECT_THAT(refusal(R"({"multipleOf": 0})"), HasSubstr("multipleOf"));
  EXPECT_THAT(refusal(R"({"multipleOf": -0.5})"), HasSubstr("multipleOf"));
}

}  // namespace
}  // namespace lazyllm::grammar
