// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "text/tokenizer.h"

namespace lazyllm::text {

struct ChatTemplateOptions {
  bool add_generation_prompt = true;
  std::string bos_token;  ///< spelled out, "<s>"
  std::string eos_token;
  /// Further variables of the template: "tools", "documents", "enable_thinking", ...
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();
};

/// A chat template in the Jinja subset that real model files use, parsed once.
/// Immutable and thread-safe. Rendering is bounded in steps, depth and output, so
/// that a hostile template ends in an error.
class ChatTemplate {
 public:
  /// Errors: Error(invalid_file) with line and reason.
  explicit ChatTemplate(const std::string& source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// `messages`: an array of objects with at least "role" and "content", as in the
  /// OpenAI API. Returns the text in segments with their origin: what came from the
  /// template itself (its literals, bos_token, eos_token) and what came from the messages.
  /// Concatenated, the segments are exactly what Python's jinja2 renders with
  /// trim_blocks and lstrip_blocks on, as Hugging Face transformers does.
  /// Errors: Error(invalid_input) for raise_exception() and for what the template
  /// cannot do with these messages.
  std::vector<TextSegment> render(const nlohmann::ordered_json& messages,
                                  const ChatTemplateOptions& options) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

/// The segments as one string.
std::string concatenate(const std::vector<TextSegment>& segments);

}  // namespace lazyllm::text
