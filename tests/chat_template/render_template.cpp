// SPDX-License-Identifier: Apache-2.0
// Reads one JSON object a line: {"template", "messages", "options": {"add_generation_prompt",
// "bos_token", "eos_token", "extra"}} and answers each with one line: {"text", "segments":
// [[text, from_template]...]} or {"error"}. Without "template" the one before is used again.
#include <iostream>
#include <optional>
#include <string>

#include "lazyllm/error.h"
#include "text/chat_template.h"

namespace {

using lazyllm::text::ChatTemplate;
using nlohmann::ordered_json;

ordered_json answer(const ordered_json& request, std::optional<ChatTemplate>& current) {
  if (request.contains("template")) {
    current.reset();
    current.emplace(request["template"].get<std::string>());
  }
  if (!current) throw lazyllm::Error(lazyllm::ErrorCode::usage, "there is no template");
  lazyllm::text::ChatTemplateOptions options;
  const ordered_json given = request.value("options", ordered_json::object());
  options.add_generation_prompt = given.value("add_generation_prompt", false);
  options.bos_token = given.value("bos_token", "");
  options.eos_token = given.value("eos_token", "");
  options.extra = given.value("extra", ordered_json::object());
  const auto segments = current->render(request.at("messages"), options);
  ordered_json listed = ordered_json::array();
  for (const auto& segment : segments) {
    if (!listed.empty() && listed.back()[1] == segment.from_template) {
      listed.back()[0] = listed.back()[0].get<std::string>() + segment.text;
    } else {
      listed.push_back({segment.text, segment.from_template});
    }
  }
  return {{"text", lazyllm::text::concatenate(segments)}, {"segments", listed}};
}

}  // namespace

int main() {
  std::string line;
  std::optional<ChatTemplate> current;
  while (std::getline(std::cin, line)) {
    ordered_json reply;
    try {
      reply = answer(ordered_json::parse(line), current);
    } catch (const std::exception& error) {
      reply = {{"error", error.what()}};
    }
    std::cout << reply.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << "\n"
              << std::flush;
  }
  return 0;
}
