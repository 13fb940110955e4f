// SPDX-License-Identifier: Apache-2.0
#include "grammar/recogniser.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "grammar/recognise_for_tests.h"

namespace lazyllm::grammar {
namespace {

constexpr const char* kObject = R"({"type": "object"})";
constexpr const char* kPerson = R"({
  "type": "object", "required": ["name", "age"], "additionalProperties": false,
  "properties": {"name": {"type": "string"}, "nick": {"type": "string"}, "age": {"type": "integer"}}})";

TEST(Recogniser, ReadsAnyJsonObject) {
  for (const char* good :
       {"{}", " {}", "\n{ }", R"({"a":1})", R"({"a": [1, "x", {}, null, true], "b": {"c": -1e5}})",
        "{\n  \"a\": [\n    1,\n    2\n  ]\n}", R"({"\u00e9":"\ud83d\ude42"})", R"({"":[[]]})"}) {
    EXPECT_TRUE(accepts(kObject, good)) << good;
  }
  for (const char* bad : {"[]",
                          "1",
                          "  {}",
                          "{} ",
                          "{,}",
                          R"({"a"})",
                          R"({"a":1,})",
                          R"({"a":1 "b":2})",
                          "{\"a\":\t1}",
                          R"({"a":tru})",
                          R"({"a":01})",
                          R"({'a':1})",
                          R"({"a":1}})",
                          R"({"a":[1,]})",
                          R"({"a":[,1]})",
                          "{\n\n}",
                          R"({"a":nul})",
                          R"({"a":Infinity})",
                          "{\"a\":\"\n\"}",
                          "{\n               }"}) {
    EXPECT_FALSE(accepts(kObject, bad)) << bad;
  }
}

TEST(Recogniser, NamesComeOnce) {
  EXPECT_FALSE(accepts(kObject, R"({"a":1,"a":2})"));
  EXPECT_FALSE(accepts(kObject, R"({"a":1,"b":{"a":2},"\u0061":2})"));
  EXPECT_TRUE(accepts(kObject, R"({"a":1,"b":{"a":2},"aa":2})"));
  // A declared name is none of the additional ones, even when its turn is over.
  const char* schema = R"({"type": "object", "properties": {"a": {"type": "integer"}, "b": {}}})";
  EXPECT_TRUE(accepts(schema, R"({"b":1,"x":1})"));
  EXPECT_FALSE(accepts(schema, R"({"b":1,"a":"text"})"));
  EXPECT_FALSE(accepts(schema, R"({"x":1,"a":1})"));
}

TEST(Recogniser, PropertiesComeInOrder) {
  EXPECT_TRUE(accepts(kPerson, R"({"name":"A","age":3})"));
  EXPECT_TRUE(accepts(kPerson, R"({"name": "A", "nick": "B", "age": 3})"));
  EXPECT_FALSE(accepts(kPerson, R"({"age":3,"name":"A"})"));
  EXPECT_FALSE(accepts(kPerson, R"({"name":"A"})"));
  EXPECT_FALSE(accepts(kPerson, R"({"name":"A","age":3,"more":1})"));
  EXPECT_EQ(recognise(kPerson, R"({"n)"), Verdict::unfinished);
  EXPECT_EQ(recognise(kPerson, R"({"ni)"), Verdict::refused);  // the name has to come first
}

TEST(Recogniser, CountsItems) {
  const char* schema = R"({"type": "array", "prefixItems": [{"type": "string"}, {"type": "null"}],
                           "items": {"type": "integer"}, "minItems": 2, "maxItems": 4})";
  for (const char* good : {R"(["a",null])", R"(["a",null,1])", R"(["a", null, 1, 2])"}) {
    EXPECT_TRUE(accepts(schema, good)) << good;
  }
  for (const char* bad : {"[]", R"(["a"])", R"(["a",1])", R"(["a",null,1,2,3])", R"([null,"a"])"}) {
    EXPECT_FALSE(accepts(schema, bad)) << bad;
  }
  EXPECT_FALSE(accepts(R"({"type": "array", "prefixItems": [{}, false]})", "[1,2]"));
  EXPECT_TRUE(accepts(R"({"type": "array", "prefixItems": [{}, false]})", "[1]"));
}

TEST(Recogniser, BoundsNestingOnlyAsFarAsRecursionGoes) {
  const auto nested = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += R"({"a":)";
    return text + "1" + std::string(static_cast<size_t>(depth), '}');
  };
  EXPECT_TRUE(accepts(kObject, nested(33)));
  EXPECT_FALSE(accepts(kObject, nested(34)));
  // A tree whose leaves need levels of their own keeps room for them.
  const char* tree = R"({"$defs": {"leaf": {"type": "array", "minItems": 1, "items":
      {"type": "array", "minItems": 1, "items": {"type": "null"}}},
      "tree": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"type": "object", "required": ["t"],
      "properties": {"t": {"$ref": "#/$defs/tree"}}, "additionalProperties": false}]}},
      "$ref": "#/$defs/tree"})";
  std::string text;
  while (recognise(tree, text + R"({"t":)") == Verdict::unfinished) text += R"({"t":)";
  EXPECT_GT(text.size(), 100U);
  EXPECT_TRUE(accepts(tree, text + "[[null]]" + std::string(text.size() / 5, '}')));
}

TEST(Recogniser, AlternativesAreReadSideBySide) {
  const char* schema = R"({"anyOf": [
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": false},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"const": 1}}, "required": ["a", "b"], "additionalProperties": false},
    {"enum": ["x", 10, 1, null, {"a": [true]}]}]})";
  for (const char* good :
       {R"({"a":5})", R"({"a":"s","b":1})", "1", "10", "null", R"("x")", R"({"a":[true]})"}) {
    EXPECT_TRUE(accepts(schema, good)) << good;
  }
  for (const char* bad : {R"({"a":5,"b":1})", R"({"a":"s"})", "100", "2", R"("y")",
                          R"({"a":[false]})", R"({"a":[]})"}) {
    EXPECT_FALSE(accepts(schema, bad)) << bad;
  }
}

/// Random bytes that may come next always lead to an end, and what is there then is JSON.
TEST(Recogniser, RandomWalksEnd) {
  const char* schema = R"({"$defs": {"node": {"type": "object", "properties": {
      "id": {"type": "integer", "minimum": -3, "maximum": 120, "multipleOf": 7},
      "share": {"type": "number", "minimum": 0.25, "exclusiveMaximum": 0.75},
      "code": {"type": "string", "pattern": "^[A-Z]{2}-é?\\d+$", "maxLength": 6},
      "kids": {"type": "array", "items": {"$ref": "#/$defs/node"}, "minItems": 1, "maxItems": 2}},
      "required": ["id", "code"], "additionalProperties": {"enum": ["ja", "nein", 7]}}},
      "$ref": "#/$defs/node"})";
  const auto grammar = compile_schema(schema);
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    Recogniser recogniser(grammar);
    std::vector<Thread> threads = {recogniser.start()};
    std::string text;
    for (;;) {
      std::vector<uint8_t> possible;
      std::vector<Thread> next;
      for (int byte = 0; byte < 256; ++byte) {
        next.clear();
        for (const Thread& thread : threads) {
          recogniser.advance(thread, static_cast<uint8_t>(byte), next);
        }
        if (!next.empty()) possible.push_back(static_cast<uint8_t>(byte));
      }
      const bool complete = recogniser.complete(threads[0]);
      ASSERT_TRUE(complete || !possible.empty()) << "stuck after " << text;
      if (possible.empty()) break;
      uint8_t byte = possible[random() % possible.size()];
      for (const uint8_t end : {uint8_t{'"'}, uint8_t{'}'}, uint8_t{']'}}) {
        if (text.size() < 300 || std::find(possible.begin(), possible.end(), end) == possible.end())
          continue;
        byte = end;
        break;
      }
      next.clear();
      for (const Thread& thread : threads) recogniser.advance(thread, byte, next);
      threads = next;
      recogniser.compact(threads);
      text += static_cast<char>(byte);
      ASSERT_LT(text.size(), 20000U) << text.substr(0, 2000);
    }
    EXPECT_TRUE(nlohmann::json::accept(text)) << text;
  }
}

/// Names, enum and const have one spelling, except for characters beyond ASCII.
TEST(Recogniser, WritesKnownTextsLiterally) {
  constexpr const char* kSchema =
      R"({"type": "object", "properties": {"full_l\"\n": {"enum": ["a/b", "x\\y\u0001", "é"]}},
          "additionalProperties": false})";
  for (const char* text : {R"({"full_l\"\n":"a/b"})", R"({"full_l\"\u000a":"x\\y\u0001"})",
                           R"({"full_l\"\n":"\u00e9"})"}) {
    EXPECT_TRUE(accepts(kSchema, text)) << text;
  }
  for (const char* text : {R"({"full_\u006c)", R"({"full_l\u0022)", R"({"full_l\"\n":"a\/)",
                           R"({"full_l\"\n":"\u0061)", R"({"full_l\"\n":"x\u005c)"}) {
    EXPECT_EQ(recognise(kSchema, text), Verdict::refused) << text;
  }
  EXPECT_EQ(recognise(R"({"type": "string", "pattern": "^a$"})", R"("\u0061)"), Verdict::refused);
  EXPECT_TRUE(accepts(R"({"type": "string"})", R"("\u0061")"));
}

}  // namespace
}  // namespace lazyllm::grammar
