// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocabulary.h"

namespace lazyllm::text {

/// A part of a text that is cut: up to `end`, and whether it is left out of the tokens.
struct Cut {
  size_t end = 0;
  bool dropped = false;
};

/// Cuts text by a regular expression of a tokenizer.json, as the tokenizers library does it
/// (Oniguruma's syntax and its meaning of \s and \w, by PCRE2). Immutable and thread-safe.
class RegexSplitter {
 public:
  /// Errors: Error(unsupported) naming the expression and what is wrong with it.
  explicit RegexSplitter(const OwnSplit& split);

  /// Appends the parts of `text` in order, the last of which ends at its end; no part is empty.
  /// Errors: Error(invalid_input) where the expression takes too long on this text.
  void split(std::string_view text, std::vector<Cut>& cuts) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  OwnSplit split_;
};

/// The same expression in PCRE2's syntax. Errors: Error(unsupported) for what has no like there.
std::string translate_expression(std::string_view expression);

}  // namespace lazyllm::text
