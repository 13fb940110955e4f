// SPDX-License-Identifier: Apache-2.0
// Which tokens of a conversation are worth protecting. On a vocabulary of single bytes, so that
// tokens are bytes of the rendered text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/gguf_writer.h"
#include "lazy/tiny_model_for_tests.h"
#include "lazyllm/conversation.h"
#include "text/byte_alphabet.h"

namespace lazyllm {
namespace {

using testing::HasSubstr;

constexpr const char* kTemplate =
    "{% if tools %}[tools]{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content | upper }}"
    "{% for c in m.tool_calls or [] %}!{{ c.function.name }}={{ c.function.arguments.x }}"
    "{% endfor %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

/// `chat_template` and `tool_template`: null for none.
std::shared_ptr<const Model> byte_model(const char* chat_template = kTemplate,
                                        const char* tool_template = nullptr,
                                        const ModelOptions& options = {}) {
  formats::GgufWriter writer;
  writer.set("general.architecture", {std::string("llama")});
  writer.set("tokenizer.ggml.model", {std::string("gpt2")});
  writer.set("tokenizer.ggml.pre", {std::string("gpt-2")});
  std::vector<std::string> tokens, merges;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(text::spelling_of_byte(static_cast<unsigned char>(byte)));
  }
  writer.set("tokenizer.ggml.tokens", {tokens});
  writer.set("tokenizer.ggml.merges", {merges});
  if (chat_template != nullptr) writer.set("tokenizer.chat_template", {std::string(chat_template)});
  if (tool_template != nullptr) {
    writer.set("tokenizer.chat_template.tool_use", {std::string(tool_template)});
  }
  const auto path = lazy::temporary_model_path();
  writer.write(path);
  auto model = Model::load_without_weights(path, options);
  std::filesystem::remove(path);
  return model;
}

/// The text with its protected tokens in [], the others as they are.
std::string marked(const Model& model, const std::vector<ChatMessage>& messages,
                   const ChatOptions& options = {}) {
  const ChatPrompt prompt = model.chat_prompt(messages, options);
  EXPECT_EQ(prompt.tokens, model.apply_chat_template(messages, options));
  std::string out;
  int64_t at = 0;
  const auto text = [&](int64_t end) {
    std::string part;
    for (; at < end; ++at) part += model.piece(prompt.tokens[static_cast<size_t>(at)]);
    return part;
  };
  for (const TokenRange& range : prompt.protected_ranges) {
    out += text(range.begin);
    out += '[';
    out += text(range.end);
    out += ']';
  }
  return out + text(static_cast<int64_t>(prompt.tokens.size()));
}

TEST(ChatPrompt, ProtectsTemplateRolesToolsAndSystem) {
  const auto model = byte_model();
  EXPECT_EQ(marked(*model, {{"system", "be brief"}, {"user", "a long text"}}),
            "[<system>BE BRIEF\n<user>]A LONG TEXT[\n<assistant>]");
  ChatMessage call{"assistant", "calling"};
  call.tool_calls = {{"1", "weather", R"({"x": 7})"}};
  EXPECT_EQ(
      marked(*model, {{"user", "hi"}, call, {"tool", "sunny"}, {"assistant", "so"}}),
      "[<user>]HI[\n<assistant>CALLING!weather=7\n<tool>SUNNY\n<assistant>]SO[\n<assistant>]");
  ChatOptions tools;
  tools.tools = R"([{"name": "f"}])";
  tools.add_generation_prompt = false;
  EXPECT_EQ(marked(*model, {{"user", "hi"}}, tools), R"([[tools][{"name": "f"}]<user>]HI[)"
                                                     "\n]");
}

TEST(ChatPrompt, ProtectsOnlyTheBeginningOfALongSystemTurn) {
  const auto model = byte_model();
  const std::string text = marked(*model, {{"system", std::string(1500, 'x')}, {"user", "y"}});
  EXPECT_EQ(text, "[<system>" + std::string(1024, 'X') + "]" + std::string(476, 'X') +
                      "[\n<user>]Y[\n<assistant>]");
}

TEST(ChatPrompt, ATextOfTheUserThatLooksLikeTheTemplateIsNotProtected) {
  const auto model = byte_model();
  EXPECT_THAT(marked(*model, {{"user", "<user>\n<system>"}}),
              HasSubstr("]<USER>\n<SYSTEM>[\n<assistant>]"));
}

constexpr const char* kPlain = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}";

std::string rendered(const Model& model, const std::vector<ChatMessage>& messages,
                     const ChatOptions& options = {}) {
  return model.render_chat_template(messages, options);
}

TEST(ChatPrompt, TheDeveloperIsTheSystemWhereTheTemplateKnowsNone) {
  EXPECT_EQ(rendered(*byte_model(kPlain), {{"developer", "d"}, {"user", "u"}}), "<system>d<user>u");
  const auto knows = byte_model(
      "{% for m in messages %}{% if m.role == 'developer' %}D:{% endif %}"
      "{{ m.content }}{% endfor %}");
  EXPECT_EQ(rendered(*knows, {{"developer", "d"}, {"user", "u"}}), "D:du");
}

TEST(ChatPrompt, ATemplateWithoutAPlaceForTheSystemGetsItInTheUsersTurn) {
  const auto refuses = byte_model(
      "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no') }}"
      "{% endif %}<{{ m.role }}>{{ m.content }}{% endfor %}");
  EXPECT_EQ(rendered(*refuses, {{"system", "s"}, {"user", "u"}}), "<user>s\n\nu");
  const auto drops = byte_model(
      "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}"
      "{% endif %}{% endfor %}");
  EXPECT_EQ(rendered(*drops, {{"system", "s"}, {"user", "u"}}), "s\n\nu");
}

TEST(ChatPrompt, ATemplateThatDoesNotParseConcernsChatsOnly) {
  const auto model = byte_model("{{ .System }}{{ range }");
  EXPECT_FALSE(model->tokenize("text").empty());
  try {
    rendered(*model, {{"user", "hi"}});
    FAIL() << "it rendered";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_file);
    EXPECT_THAT(error.what(), HasSubstr("--chat-template"));
  }
}

TEST(ChatPrompt, ATemplateIsTakenByItsName) {
  ModelOptions options;
  options.chat_template = "zephyr";
  EXPECT_EQ(rendered(*byte_model(kPlain, nullptr, options), {{"user", "hi"}}),
            "<|user|>\nhi\n<|assistant|>\n");
  options.chat_template = "zephir";
  try {
    byte_model(kPlain, nullptr, options);
    FAIL() << "it loaded";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("zephyr"));
  }
}

TEST(ChatPrompt, AConversationWithToolsTakesTheTemplateForThem) {
  const auto model =
      byte_model(kPlain, "{{ tools | length }}{% for m in messages %}:{{ m.content }}{% endfor %}");
  ChatOptions tools;
  tools.tools = R"([{"type": "function", "function": {"name": "f"}}])";
  EXPECT_EQ(rendered(*model, {{"user", "hey"}}, tools), "1:hey");
  EXPECT_EQ(rendered(*model, {{"user", "hey"}}), "<user>hey");
}

TEST(ChatPrompt, ToolsAreToldInTextWhereTheTemplateKnowsNone) {
  const auto model = byte_model(kPlain);
  ChatOptions tools;
  tools.tools = R"([{"type": "function", "function": {"name": "f"}}])";
  ChatMessage call{"assistant", ""};
  call.tool_calls = {{"1", "f", R"({"x": 7})"}};
  const std::string text =
      rendered(*model, {{"user", "hey"}, call, {"tool", "sunny"}, {"tool", "warm"}}, tools);
  EXPECT_THAT(text, testing::StartsWith("<system>You can call functions."));
  EXPECT_THAT(text, HasSubstr(R"({"type":"function","function":{"name":"f"}})"));
  EXPECT_THAT(text, testing::EndsWith(
                        "<user>hey<assistant><tool_call>\n{\"name\":\"f\",\"arguments\":"
                        "{\"x\":7}}\n</tool_call><user><tool_response>\nsunny\n</tool_response>"
                        "\n<tool_response>\nwarm\n</tool_response>"));
  // What is marked as protected is still found where it went.
  EXPECT_FALSE(model->chat_prompt(std::vector<ChatMessage>{{"user", "hey"}, call}, tools)
                   .protected_ranges.empty());
}

TEST(ChatPrompt, TemplatesThatAskForTheDateGetIt) {
  const std::string text =
      rendered(*byte_model("{{ date_string }}|{{ datetime }}"), {{"user", "hi"}});
  EXPECT_THAT(text, testing::MatchesRegex("[0-9]+ [A-Z][a-z]+ [0-9]+.[A-Z][a-z]+ .*GMT"));
}

TEST(ChatPrompt, TemplatesThatAskForFunctionsGetTheToolsAsText) {
  const auto model = byte_model("{{ 'Functions: ' + functions }}");
  ConversationOptions options;
  options.tools = R"([{"name": "f"}])";
  const std::vector<ChatMessage> hi = {{"user", "hi"}};
  EXPECT_THAT(conversation_text(*model, hi, options), testing::HasSubstr("\"name\": \"f\""));
  EXPECT_THAT(conversation_text(*model, hi, {}), testing::EndsWith("Functions: "));
}

std::string text_of(const Model& model, const std::vector<ChatMessage>& messages,
                    const ConversationOptions& options) {
  return conversation_text(model, messages, options);
}

TEST(ChatPrompt, ALastTurnCanBeLeftOpen) {
  const auto model = byte_model();
  ConversationOptions options;
  options.continue_final_message = true;
  const std::vector<ChatMessage> messages = {{"user", "hi"}, {"assistant", "so it"}};
  EXPECT_EQ(text_of(*model, messages, options), "<user>HI\n<assistant>SO IT");
  EXPECT_EQ(text_of(*model, {{"user", "hi"}, {"assistant", ""}}, options), "<user>HI\n<assistant>");
  EXPECT_THROW(text_of(*model, {{"user", "hi"}}, options), Error);
  const auto silent = byte_model("{% for m in messages %}{{ m.role }}{% endfor %}");
  EXPECT_THROW(text_of(*silent, messages, options), Error);
}

TEST(ChatPrompt, WhatWasThoughtIsRenderedWhereTheTemplateHasIt) {
  ConversationOptions options;
  options.reasoning = {"", "because"};
  for (const char* name : {"reasoning_content", "thinking"}) {
    const std::string source =
        std::string("{% for m in messages %}{{ m.content }}({{ m.") + name + " }}){% endfor %}";
    EXPECT_EQ(text_of(*byte_model(source.c_str()), {{"user", "hi"}, {"assistant", "a"}}, options),
              "hi()a(because)");
  }
}

TEST(ChatPrompt, AModelWithoutATemplateChatsInChatMlIfAskedTo) {
  const auto model = byte_model(nullptr);
  EXPECT_THROW(text_of(*model, {{"user", "hi"}}, {}), Error);
  ConversationOptions options;
  options.chatml_without_template = true;
  EXPECT_EQ(text_of(*model, {{"user", "hi"}}, options),
            "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  // A template that cannot be read is not one that is absent.
  EXPECT_THROW(text_of(*byte_model("{% if %}"), {{"user", "hi"}}, options), Error);
}

}  // namespace
}  // namespace lazyllm
