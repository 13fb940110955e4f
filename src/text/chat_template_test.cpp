// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <gtest/gtest.h>

namespace lazyllm::text {
namespace {

TEST(ChatTemplate, RendersPlainText) {
  const ChatTemplate chat("hello");
  EXPECT_EQ(concatenate(chat.render(nlohmann::ordered_json::array(), {})), "hello");
}

}  // namespace
}  // namespace lazyllm::text
