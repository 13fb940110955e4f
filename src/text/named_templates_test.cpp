// SPDX-License-Identifier: Apache-2.0
#include "text/named_templates.h"

#include <gtest/gtest.h>

#include "text/chat_template.h"

namespace lazyllm::text {
namespace {

std::string rendered(std::string_view name) {
  const nlohmann::ordered_json messages = {{{"role", "system"}, {"content", "S"}},
                                           {{"role", "user"}, {"content", "U1"}},
                                           {{"role", "assistant"}, {"content", "A1"}},
                                           {{"role", "user"}, {"content", "U2"}}};
  ChatTemplateOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  return concatenate(ChatTemplate(std::string(named_template(name))).render(messages, options));
}

TEST(NamedTemplates, AllRenderAConversationInItsOrder) {
  for (const std::string& name : named_template_names()) {
    const std::string text = rendered(name);
    size_t at = 0;
    for (const char* part : {"S", "U1", "A1", "U2"}) {
      // "<<SYS>>" and tokens in capitals come before the words of the system.
      at = text.find(part, at);
      ASSERT_NE(at, std::string::npos) << name << ": " << text;
    }
  }
  EXPECT_TRUE(named_template("unknown").empty());
}

TEST(NamedTemplates, FormsAreThoseOfTheFamilies) {
  EXPECT_EQ(rendered("llama3"),
            "<s><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|><|start_header_id|>user"
            "<|end_header_id|>\n\nU1<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nA1"
            "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nU2<|eot_id|><|start_header_id|>"
            "assistant<|end_header_id|>\n\n");
  EXPECT_EQ(rendered("gemma"),
            "<s><start_of_turn>user\nS\n\nU1<end_of_turn>\n<start_of_turn>model\nA1<end_of_turn>\n"
            "<start_of_turn>user\nU2<end_of_turn>\n<start_of_turn>model\n");
  EXPECT_EQ(rendered("llama2"),
            "<s>[INST] <<SYS>>\nS\n<</SYS>>\n\nU1 [/INST] A1 </s><s>[INST] U2 [/INST]");
}

}  // namespace
}  // namespace lazyllm::text
