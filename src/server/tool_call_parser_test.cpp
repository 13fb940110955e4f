// SPDX-License-Identifier: Apache-2.0
#include "server/tool_call_parser.h"

#include <gtest/gtest.h>

#include <memory>

namespace lazyllm::server {
namespace {

using Form = ToolCallParser::Form;

/// Text and calls as "text|name(arguments)|..." of an answer that comes in pieces of `size` bytes.
std::string parsed(const Form& form, const std::string& answer, size_t size) {
  ToolCallParser parser(form);
  std::string text, calls;
  size_t begun = 0, ended = 0;
  const auto take = [&](const ToolCallParser::Output& output) {
    text += output.text;
    for (const CallPiece& piece : output.calls) {
      EXPECT_EQ(piece.id.starts_with("call_"), piece.begins);
      if (piece.begins) calls += "|" + piece.name + "(";
      begun += piece.begins ? 1 : 0;
      EXPECT_EQ(piece.index + 1, begun);
      calls += piece.arguments;
      if (piece.ends) calls += ")";
      ended += piece.ends ? 1 : 0;
    }
  };
  for (size_t at = 0; at < answer.size(); at += size) take(parser.push(answer.substr(at, size)));
  take(parser.finish());
  EXPECT_EQ(begun, ended);
  return text + calls;
}

std::string tagged(const std::string& answer) {
  const std::string whole = parsed(Form::tagged, answer, answer.size() + 1);
  for (size_t size = 1; size <= answer.size(); ++size) {
    EXPECT_EQ(parsed(Form::tagged, answer, size), whole) << "in pieces of " << size;
  }
  return whole;
}

TEST(ToolCallParser, FindsCallsAmongText) {
  EXPECT_EQ(tagged("no call < at all <tool_cal"), "no call < at all <tool_cal");
  EXPECT_EQ(tagged("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>"),
            "|f({\"x\": 1})");
  EXPECT_EQ(tagged("Well.\n<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>{\"name\": \"g\", "
                   "\"arguments\": \"{}\"}</tool_call>\n"),
            "Well.\n|f({})|g({})");
  EXPECT_EQ(tagged("<tool_call>{\"name\": \"f\"}</tool_call> then <b>text"), "then <b>text|f({})");
}

TEST(ToolCallParser, FindsListsOfPythonCalls) {
  EXPECT_EQ(tagged("<|tool_call_start|>[f(x=1)]<|tool_call_end|>Done."), "Done.|f({\"x\":1})");
  EXPECT_EQ(
      tagged("Let me see. <|tool_call_start|>[f(), a.g(text='it\\'s', on=True)]<|tool_call_end|>"),
      "Let me see. |f({})|a.g({\"text\":\"it's\",\"on\":true})");
  EXPECT_EQ(
      tagged("<|tool_call_start|>[f(x=[1, -2.5e3, None], y={\"a\": (false,)},)]<|tool_call_end|>"),
      "|f({\"x\":[1,-2500.0,null],\"y\":{\"a\":[false]}})");
  EXPECT_EQ(tagged("<|tool_call_start|>[f(x=\"\\u00e9\\ud83d\\ude00\\n)]\")]<|tool_call_end|>"),
            "|f({\"x\":\"\u00e9\U0001F600\\n)]\"})");
  EXPECT_EQ(
      tagged("<|tool_call_start|>[{\"name\": \"f\", \"arguments\": {\"x\": 1}}]<|tool_call_end|>"),
      "|f({\"x\":1})");
  EXPECT_EQ(tagged("<|tool_call_start|>[f(x=1)]"), "|f({\"x\":1})");
  for (const std::string answer :
       {"<|tool_call_start|>f(x=1)<|tool_call_end|>", "<|tool_call_start|>[f(x)]<|tool_call_end|>",
        "<|tool_call_start|>[f(x=1)] and<|tool_call_end|>", "<|tool_call_start|>[f(x=\"1",
        "<|tool_call_start|>[f(x=y)]<|tool_call_end|>", "a <|tool_call_st", "[f(x=1)]"}) {
    EXPECT_EQ(tagged(answer), answer);
  }
  const std::string deep = "<|tool_call_start|>[f(x=" + std::string(5000, '[');
  EXPECT_EQ(parsed(Form::tagged, deep, deep.size()), deep);
}

TEST(ToolCallParser, FindsPythonCallsWhoseTagsAreNoText) {
  const Form form = {Form::Kind::tagged,
                     std::make_shared<const Json>(Json::parse(
                         R"([{"type": "function", "function": {"name": "look_up"}}])"))};
  const std::string answer = "[look_up(word=\"sun\"), look_up(word='moon')] I look.";
  for (size_t size = 1; size <= answer.size(); ++size) {
    EXPECT_EQ(parsed(form, answer, size),
              "I look.|look_up({\"word\":\"sun\"})|look_up({\"word\":\"moon\"})");
  }
  for (const std::string text : {"[look_up(word=", "[look_up is a word]", "[other(x=1)]"}) {
    EXPECT_EQ(parsed(form, text, 3), text);
  }
}

TEST(ToolCallParser, WhatIsNoCallStaysText) {
  for (const std::string answer :
       {"<tool_call>not JSON</tool_call> rest", "<tool_call>[1]</tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>", "<tool_call>{\"name\": 5}</tool_call>",
        "<tool_call>{\"name\": \"f\"", "a <tool_call"}) {
    EXPECT_EQ(tagged(answer), answer);
  }
}

TEST(ToolCallParser, AnAnswerMayEndBeforeTheClosingTag) {
  EXPECT_EQ(tagged("<tool_call>{\"name\": \"f\", \"arguments\": {}}"), "|f({})");
  EXPECT_EQ(tagged("<tool_call>{\"name\": \"f\"}"), "|f({})");
  EXPECT_EQ(tagged("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": [1"), "|f({\"x\": [1)");
}

TEST(ToolCallParser, ArgumentsComeWhileTheyAreWritten) {
  ToolCallParser parser(Form::tagged);
  EXPECT_TRUE(parser.push("<tool_call>{\"name\": \"f\", \"argum").calls.empty());
  auto pieces = parser.push("ents\": {\"x\": \"<a").calls;
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_TRUE(pieces[0].begins && pieces[0].name == "f");
  EXPECT_EQ(pieces[1].arguments, "{\"x\": \"<a");
  pieces = parser.push("}\"}").calls;
  ASSERT_EQ(pieces.size(), 1u);
  EXPECT_EQ(pieces[0].arguments, "}\"}");
  EXPECT_TRUE(pieces[0].ends);
  EXPECT_EQ(parser.push(", \"id\": 7}</tool_call>\nso").text, "so");
}

TEST(ToolCallParser, ArgumentsThatAreNeverClosedEndAtTheTag) {
  EXPECT_EQ(tagged("<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1</tool_call>so"),
            "so|f({\"x\": 1)");
  EXPECT_EQ(tagged("<tool_call>{\"name\": \"f\", \"arguments\": {}} so"), "so|f({})");
}

const Json kTools = Json::parse(R"([
    {"type": "function", "function": {"name": "f", "parameters": {"properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}}}}},
    {"type": "function", "function": {"name": "forecast"}}])");

std::string in_any_pieces(const std::string& answer) {
  const Form form{Form::Kind::tagged, std::make_shared<const Json>(kTools)};
  const std::string whole = parsed(form, answer, answer.size() + 1);
  for (size_t size = 1; size <= answer.size(); ++size) {
    EXPECT_EQ(parsed(form, answer, size), whole) << "in pieces of " << size;
  }
  return whole;
}

TEST(ToolCallParser, MarkedArgumentsAreTypedByTheTool) {
  EXPECT_EQ(in_any_pieces("Well.<tool_call>\n<function=f>\n<parameter=city>\n12\n</parameter>\n"
                          "<parameter=days>\n3\n</parameter>\n<parameter=other>\na\nb\n"
                          "</parameter>\n</function>\n</tool_call>"),
            "Well.|f({\"city\":\"12\",\"days\":3,\"other\":\"a\\nb\"})");
  EXPECT_EQ(in_any_pieces("<tool_call><function=f></function></tool_call>"), "|f({})");
}

TEST(ToolCallParser, AWholeAnswerMayBeACall) {
  EXPECT_EQ(in_any_pieces(R"({"name": "f", "parameters": {"days": 2}})"), R"(|f({"days":2}))");
  EXPECT_EQ(in_any_pieces(R"( [{"name": "f", "arguments": {}}, {"name": "g", "arguments": {}}])"),
            "|f({})|g({})");
  EXPECT_EQ(in_any_pieces(R"(forecast{"days": 2}f{})"), R"(|forecast({"days":2})|f({}))");
}

TEST(ToolCallParser, AnAnswerThatOnlyLooksLikeACallStaysText) {
  for (const std::string answer :
       {R"({"name": "Anna", "age": 7})", R"({"name": "f", "parameters": {)", "forecasts are {fine}",
        R"([{"name": "f", "arguments": {}}] and more)", "f", R"({"na)", "[1, 2]"}) {
    EXPECT_EQ(in_any_pieces(answer), answer);
  }
}

TEST(ToolCallParser, OtherForms) {
  const std::string call = "{\"name\": \"f\", \"arguments\": {\"x\": [1]}}";
  EXPECT_EQ(parsed(Form::bare, call, 3), "|f({\"x\": [1]})");
  EXPECT_EQ(parsed(Form::bare, "{\"name\": \"f", 3), "{\"name\": \"f");
  // Cut off behind its name, it is a call with what there is of its arguments.
  EXPECT_EQ(parsed(Form::bare, "{\"name\": \"f\", \"arguments\": {\"x\": [1", 3), "|f({\"x\": [1)");
  EXPECT_EQ(parsed(Form::bare, "{\"name\": \"f\", \"arg", 3), "|f()");
  EXPECT_EQ(parsed(Form::bare, "[" + call + ", " + call + "]", 3),
            "|f({\"x\": [1]})|f({\"x\": [1]})");
  EXPECT_EQ(parsed(Form::bare, "[" + call + ", {\"name\": \"g\", \"arguments\": {\"}", 3),
            "|f({\"x\": [1]})|g({\"})");
  EXPECT_EQ(parsed(Form::bare, "no JSON", 3), "no JSON");
  EXPECT_EQ(parsed(Form::none, "<tool_call>{}</tool_call>", 3), "<tool_call>{}</tool_call>");
}

}  // namespace
}  // namespace lazyllm::server
