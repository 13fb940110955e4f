// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"
#include "text/word_scanner.h"

namespace lazyllm::text {

/// Cuts text into the pieces ("words") that byte-pair merges never cross, as the
/// regular expressions of a model's training did. Immutable and thread-safe.
class PreTokenizer {
 public:
  /// `name`: llama.cpp's name ("llama-bpe", "qwen2", ...), "whole" for no cuts at all, or the
  /// names of stages that cut one after the other ("number-triples|llama3-words").
  /// Errors: Error(unsupported) naming the known names.
  static PreTokenizer by_name(const std::string& name);

  /// The pieces in order; together they are `text`. Time is linear in the text.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  explicit PreTokenizer(std::vector<Splitter> stages) : stages_(std::move(stages)) {}

  std::vector<Splitter> stages_;  ///< each cuts the pieces of the one before
};

}  // namespace lazyllm::text
