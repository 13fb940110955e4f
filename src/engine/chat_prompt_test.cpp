// SPDX-License-Identifier: Apache-2.0
// Which tokens of a conversation are worth protecting. On a vocabulary of single bytes, so that
// tokens are bytes of the rendered text.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/gguf_writer.h"
#include "lazyllm/model.h"
#include "text/byte_alphabet.h"

namespace lazyllm {
namespace {

using testing::HasSubstr;

constexpr const char* kTemplate =
    "{% if tools %}[tools]{{ tools | tojson }}{% endif %}"
    "{% for m in messages %}<{{ m.role }}>{{ m.content | upper }}"
    "{% for c in m.tool_calls or [] %}!{{ c.function.name }}={{ c.function.arguments.x }}"
    "{% endfor %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}";

std::shared_ptr<const Model> byte_model() {
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
  writer.set("tokenizer.chat_template", {std::string(kTemplate)});
  const auto path = std::filesystem::temp_directory_path() / "lazyllm_chat_prompt_test.gguf";
  writer.write(path);
  auto model = Model::load_without_weights(path);
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

}  // namespace
}  // namespace lazyllm
