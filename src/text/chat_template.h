// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace lazyllm::text {

struct ChatTemplateOptions {
  bool add_generation_prompt = true;
  std::string bos_token;  ///< spelled out, "<s>"
  std::string eos_token;
  /// Further variables of the template: "tools", "documents", "enable_thinking", ...
  /// "tools" and "documents" are none (not undefined) when missing, as in transformers.
  /// Their texts count as conversation, never as the template's own.
  nlohmann::ordered_json extra = nlohmann::ordered_json::object();
};

/// A chat template in the Jinja subset that real model files use, parsed once.
/// Immutable and thread-safe. Rendering is bounded in steps, depth and output, so
/// that a hostile template ends in an error.
class ChatTemplate {
 public:
  /// Errors: Error(invalid_file) with line and reason. An unknown filter or test is an
  /// error only when it is reached.
  explicit ChatTemplate(const std::string& source);
  ~ChatTemplate();
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;

  /// `messages`: an array of objects with at least "role" and "content", as in the
  /// OpenAI API. Returns the text in segments with their origin: what came from the
  /// template itself (its literals, bos_token, eos_token), and what came from which message.
  /// Concatenated, the segments are exactly what Python's jinja2 renders with
  /// trim_blocks and lstrip_blocks on, as Hugging Face transformers does.
  /// Whatever a template builds keeps the origin of each of its bytes; punctuation that
  /// tojson or a printed list puts around conversation text counts as conversation.
  /// Errors: Error(invalid_input) with the line, for raise_exception(), for what the template
  /// cannot do with these messages (jinja2 raises there too), and when a bound is hit.
  /// Any bytes are accepted in texts.
  std::vector<TextSegment> render(const nlohmann::ordered_json& messages,
                                  const ChatTemplateOptions& options) const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

/// The segments as one string.
std::string concatenate(const std::vector<TextSegment>& segments);

}  // namespace lazyllm::text
