// SPDX-License-Identifier: Apache-2.0
#include "text/plain_conversation.h"

#include <gtest/gtest.h>

namespace lazyllm::text {
namespace {

using nlohmann::ordered_json;

const ordered_json kTools = {{{"function", {{"name", "f"}}}}};

TEST(PlainConversation, ToolsJoinTheSystemsText) {
  const ordered_json messages = {{{"role", "system"}, {"content", "s"}},
                                 {{"role", "user"}, {"content", "u"}}};
  const PlainConversation plain = write_tools_as_text(messages, kTools);
  ASSERT_EQ(plain.messages.size(), 2U);
  EXPECT_EQ(plain.messages[0]["content"].get<std::string>().rfind("s\n\nYou can call", 0), 0U);
  EXPECT_EQ(plain.made_of, (std::vector<int>{0, 1}));
}

TEST(PlainConversation, AnAddedSystemTurnIsMadeOfNone) {
  const ordered_json messages = {{{"role", "user"}, {"content", "u"}}};
  const PlainConversation plain = write_tools_as_text(messages, kTools);
  EXPECT_EQ(plain.made_of, (std::vector<int>{-1, 0}));
  EXPECT_EQ(write_tools_as_text(messages, ordered_json::array()).messages, messages);
}

TEST(PlainConversation, CallsAreWrittenForTemplatesThatLeaveThemOut) {
  const ordered_json messages = {
      {{"role", "user"}, {"content", "u"}},
      {{"role", "assistant"},
       {"content", "Well."},
       {"tool_calls",
        {{{"type", "function"},
          {"function",
           {{"name", "f"}, {"arguments", {{"x", "it's"}, {"on", true}, {"of", nullptr}}}}}},
         {{"type", "function"}, {"function", {{"name", "g"}}}}}}},
      {{"role", "tool"}, {"content", "r"}}};
  const PlainConversation python = write_calls_as_text(messages, CallSpelling::python_list);
  EXPECT_EQ(python.messages[1]["content"],
            "<|tool_call_start|>[f(x=\"it's\", on=True, of=None), g()]<|tool_call_end|>Well.");
  EXPECT_FALSE(python.messages[1].contains("tool_calls"));
  EXPECT_EQ(python.messages[2], messages[2]);
  EXPECT_EQ(python.made_of, (std::vector<int>{0, 1, 2}));
  const PlainConversation tagged = write_calls_as_text(messages, CallSpelling::tagged_json);
  EXPECT_TRUE(tagged.messages[1]["content"].get<std::string>().starts_with("Well.\n<tool_call>\n"));
}

TEST(PlainConversation, TheSystemsWordsGoToTheNextUser) {
  const ordered_json messages = {{{"role", "system"}, {"content", "s"}},
                                 {{"role", "user"}, {"content", "u"}},
                                 {{"role", "system"}, {"content", "t"}}};
  const PlainConversation plain = move_system_to_user(messages);
  ASSERT_EQ(plain.messages.size(), 2U);
  EXPECT_EQ(plain.messages[0]["content"], "s\n\nu");
  EXPECT_EQ(plain.messages[1]["content"], "t");
  EXPECT_EQ(plain.made_of, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace lazyllm::text
