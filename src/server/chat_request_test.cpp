// SPDX-License-Identifier: Apache-2.0
#include "server/chat_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/request_refusal_for_tests.h"

namespace lazyllm::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

ChatRequest parse(const std::string& body) {
  const Json json = parse_body(body);
  return parse_chat(Fields(json));
}

std::string refusal(const std::string& body) {
  return refusal_of([&] { parse(body); });
}

std::string with(const std::string& more) {
  return R"({"messages": [{"role": "user", "content": "hi"}], "tools": [
      {"type": "function", "function": {"name": "f", "parameters": {"type": "object",
       "properties": {"x": {"type": "integer"}}}}},
      {"type": "function", "function": {"name": "g"}}])" +
         more + "}";
}

TEST(ParseChat, ReadsMessages) {
  const ChatRequest chat = parse(R"({"messages": [
      {"role": "system", "content": [{"type": "text", "text": "be "}, {"type": "text", "text": "brief"}]},
      {"role": "assistant", "content": null, "tool_calls": [
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{\"x\": 1}"}}]},
      {"role": "tool", "tool_call_id": "1", "name": "f", "content": "7"}]})");
  ASSERT_EQ(chat.messages.size(), 3u);
  EXPECT_EQ(chat.messages[0].content, "be \nbrief");
  ASSERT_EQ(chat.messages[1].tool_calls.size(), 1u);
  EXPECT_EQ(chat.messages[1].tool_calls[0].arguments, "{\"x\": 1}");
  EXPECT_EQ(chat.messages[2].tool_call_id, "1");
  EXPECT_TRUE(chat.options.tools.empty());
  EXPECT_EQ(chat.tool_choice.mode, ToolChoice::Mode::none);
}

TEST(ParseChat, RefusesMessagesThatAreNone) {
  EXPECT_THAT(refusal("{}"), StartsWith("400 missing_required_parameter messages"));
  EXPECT_THAT(refusal(R"({"messages": []})"), HasSubstr("empty"));
  EXPECT_THAT(refusal(R"({"messages": "hi"})"), StartsWith("400 invalid_type messages"));
  EXPECT_THAT(refusal(R"({"messages": ["hi"]})"), StartsWith("400 invalid_type messages[0]"));
  EXPECT_THAT(refusal(R"({"messages": [{"content": "hi"}]})"), HasSubstr("messages[0].role"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user"}]})"), HasSubstr("messages[0].content"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": 5}]})"),
              StartsWith("400 invalid_type messages[0].content"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]})"),
              HasSubstr("reads text only"));
  EXPECT_THAT(refusal(R"({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]})"),
              HasSubstr("messages[0].tool_calls[0].function"));
}

TEST(ParseChat, ReadsTheChoiceOfTools) {
  using Mode = ToolChoice::Mode;
  EXPECT_EQ(parse(with("")).tool_choice.mode, Mode::automatic);
  EXPECT_EQ(parse(with(R"(, "tool_choice": "none")")).tool_choice.mode, Mode::none);
  EXPECT_TRUE(parse(with(R"(, "tool_choice": "none")")).options.tools.empty());
  const ChatRequest any = parse(with(R"(, "tool_choice": "required")"));
  EXPECT_EQ(any.tool_choice.mode, Mode::required);
  EXPECT_EQ(Json::parse(any.call_schema())["anyOf"].size(), 2u);
  const ChatRequest named =
      parse(with(R"(, "tool_choice": {"type": "function", "function": {"name": "f"}})"));
  const Json schema = Json::parse(named.call_schema());
  EXPECT_EQ(schema["properties"]["name"]["const"], "f");
  EXPECT_EQ(schema["properties"]["arguments"]["properties"]["x"]["type"], "integer");
}

TEST(ParseChat, RefusesToolsThatCannotWork) {
  EXPECT_EQ(parse(with("")).tools.size(), 2u);  // they are told in the system's text
  EXPECT_THAT(refusal(with(R"(, "tool_choice": "maybe")")),
              StartsWith("400 invalid_value tool_choice"));
  EXPECT_THAT(refusal(with(R"(, "tool_choice": {"function": {"name": "h"}})")), HasSubstr("\"h\""));
  const std::string hi = R"({"messages": [{"role": "user", "content": "hi"}])";
  EXPECT_THAT(refusal(hi + R"(, "tool_choice": "auto"})"), HasSubstr("without tools"));
  EXPECT_THAT(refusal(hi + R"(, "tools": [{"type": "web_search"}]})"), HasSubstr("web_search"));
  EXPECT_THAT(refusal(hi + R"(, "tools": [{"type": "function", "function": {}}]})"),
              HasSubstr("tools[0].function.name"));
}

TEST(ParseChat, ALastTurnOfTheAssistantIsContinued) {
  const auto ending = [](const std::string& last, const std::string& more = "") {
    return R"({"messages": [{"role": "user", "content": "hi"}, )" + last + "]" + more + "}";
  };
  const std::string turn = R"({"role": "assistant", "content": "a", "reasoning_content": "b"})";
  EXPECT_TRUE(parse(ending(turn)).options.continue_final_message);
  EXPECT_EQ(parse(ending(turn)).options.reasoning.back(), "b");
  EXPECT_FALSE(
      parse(ending(turn, R"(, "continue_final_message": false)")).options.continue_final_message);
  EXPECT_FALSE(
      parse(ending(turn, R"(, "add_generation_prompt": true)")).options.continue_final_message);
  const std::string parts = R"("content": [{"type": "text", "text": "a"},
                                           {"type": "text", "text": "b"}]})";
  EXPECT_EQ(parse(ending(R"({"role": "assistant", )" + parts)).messages.back().content, "a\n\nb");
  EXPECT_EQ(parse(ending(R"({"role": "user", )" + parts)).messages.back().content, "a\nb");
  const std::string user = R"({"role": "user", "content": "a"})";
  EXPECT_FALSE(parse(ending(user)).options.continue_final_message);
  EXPECT_THAT(refusal(ending(user, R"(, "continue_final_message": true)")),
              StartsWith("400 invalid_value continue_final_message"));
  EXPECT_THAT(refusal(ending(turn, R"(, "continue_final_message": true,
                                      "add_generation_prompt": true)")),
              StartsWith("400 invalid_value add_generation_prompt"));
}

TEST(ParseChat, AllowsSomeOfTheTools) {
  const auto allowing = [](const std::string& mode, const std::string& name) {
    return with(R"(, "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": ")" + mode +
                R"(", "tools": [{"type": "function", "function": {"name": ")" + name + R"("}}]}})");
  };
  const ChatRequest chat = parse(allowing("required", "g"));
  EXPECT_EQ(chat.tool_choice.mode, ToolChoice::Mode::required);
  ASSERT_EQ(chat.tools.size(), 1u);
  EXPECT_EQ(chat.tools[0]["function"]["name"], "g");
  EXPECT_EQ(parse(allowing("auto", "f")).tool_choice.mode, ToolChoice::Mode::automatic);
  EXPECT_THAT(refusal(allowing("auto", "h")), HasSubstr("\"h\""));
  EXPECT_THAT(refusal(allowing("never", "f")), HasSubstr("mode"));
}

TEST(ParseChat, AFunctionWithoutParametersTakesNone) {
  const ChatRequest chat = parse(with(
      R"(, "tool_choice": {"type": "function", "function": {"name": "g"}}, "parallel_tool_calls": true)"));
  const Json schema = Json::parse(chat.call_schema());
  EXPECT_EQ(schema["type"], "array");
  EXPECT_EQ(schema["items"]["properties"]["arguments"]["additionalProperties"], false);
}

TEST(ParseChat, ACallWithoutArgumentsHasEmptyOnes) {
  const ChatRequest chat = parse(R"({"messages": [
      {"role": "user", "content": "hi"},
      {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": ""}}]}]})");
  EXPECT_EQ(chat.messages[1].tool_calls[0].arguments, "{}");
}

TEST(ParseChat, RefusesTwoTurnsOfTheAssistantAtTheEnd) {
  const std::string turn = R"({"role": "assistant", "content": "a"})";
  EXPECT_THAT(refusal("{\"messages\": [" + turn + "," + turn + "]}"), HasSubstr("two turns"));
}

/// What a tool's schema refers to is found where the tool's schema went; data is left alone.
TEST(ChatRequest, ReferencesOfToolsMoveAlong) {
  const std::string tool =
      R"({"type": "function", "function": {"name": "NAME", "parameters": {"type": "object",
          "$defs": {"s": {"type": "string"}},
          "properties": {"a": {"$ref": "#/$defs/s"}, "b": {"$ref": "#"},
                         "enum": {"$ref": "#/$defs/s"}, "c": {"enum": [{"$ref": "#/x"}]}}}}})";
  const auto schema = [&](const std::string& tools, const std::string& choice) {
    const ChatRequest request = parse(R"({"messages": [{"role": "user", "content": "hi"}],
        "tools": [)" + tools + R"(], "tool_choice": )" +
                                      choice + "}");
    return Json::parse(request.call_schema());
  };
  const auto check = [](const Json& root, const std::string& place) {
    const Json& properties = root.at(Json::json_pointer(place + "/properties"));
    EXPECT_EQ(properties["a"]["$ref"], "#" + place + "/$defs/s");
    EXPECT_EQ(properties["b"]["$ref"], "#" + place);
    EXPECT_EQ(properties["enum"]["$ref"], "#" + place + "/$defs/s");
    EXPECT_EQ(properties["c"]["enum"][0]["$ref"], "#/x");
  };
  std::string other = tool;
  other.replace(other.find("NAME"), 4, "other");
  check(schema(tool, "\"required\""), "/properties/arguments");
  const Json both = schema(tool + "," + other, "\"required\"");
  check(both, "/anyOf/0/properties/arguments");
  check(both, "/anyOf/1/properties/arguments");
  check(schema(other + "," + tool, R"({"type": "function", "function": {"name": "NAME"}})"),
        "/properties/arguments");
}

}  // namespace
}  // namespace lazyllm::server
