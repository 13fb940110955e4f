// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lazyllm::text {

/// One change that text goes through before it is cut and merged, as the "normalizer" of a
/// tokenizer.json lists them. What marks spaces is no part of it (see spaced_text.h).
struct NormalizerStep {
  enum class Kind { nfc, nfd, nfkc, nfkd, lowercase, strip_accents, strip, replace, prepend };
  Kind kind = Kind::nfc;
  std::string pattern = {};        ///< replace: a literal text, not empty
  std::string content = {};        ///< replace, prepend
  bool left = true, right = true;  ///< strip: at which ends
  bool operator==(const NormalizerStep&) const = default;
};

/// Applies steps one after the other. Invalid bytes stay as they are. Immutable and thread-safe.
class Normalizer {
 public:
  explicit Normalizer(std::vector<NormalizerStep> steps) : steps_(std::move(steps)) {}

  bool empty() const { return steps_.empty(); }

  /// The changed text. `origins`, if given, becomes one longer than it: for each place between its
  /// bytes the place in `text` up to which it was made. Exact where nothing changed; inside a
  /// changed character, its end.
  std::string apply(std::string_view text, std::vector<uint32_t>* origins = nullptr) const;

 private:
  std::vector<NormalizerStep> steps_;
};

}  // namespace lazyllm::text
