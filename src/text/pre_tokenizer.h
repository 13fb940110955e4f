// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/regex_splitter.h"
#include "text/vocabulary.h"
#include "text/word_scanner.h"

namespace lazyllm::text {

/// Cuts text into the pieces ("words") that byte-pair merges never cross, as the
/// regular expressions of a model's training did. Immutable and thread-safe.
class PreTokenizer {
 public:
  /// `name`: llama.cpp's name ("llama-bpe", "qwen2", ...), "whole" for no cuts at all, or the
  /// names of stages that cut one after the other ("number-triples|llama3-words", where "own-0" is
  /// the first of `own`).
  /// Errors: Error(unsupported) naming the known names.
  static PreTokenizer by_name(const std::string& name, const std::vector<OwnSplit>& own = {});

  /// The pieces in order; together they are `text`, but for what an own split drops. Time is linear
  /// in the text, but for own splits, whose time is limited.
  std::vector<std::string_view> split(std::string_view text) const;

 private:
  /// One of both.
  struct Stage {
    Splitter scanner = nullptr;
    std::shared_ptr<const RegexSplitter> expression;
  };
  explicit PreTokenizer(std::vector<Stage> stages) : stages_(std::move(stages)) {}
  static std::vector<Stage> find_stages(std::string_view names, const std::vector<OwnSplit>& own);

  std::vector<Stage> stages_;  ///< each cuts the pieces of the one before
};

}  // namespace lazyllm::text
