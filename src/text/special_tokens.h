// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/vocabulary.h"

namespace lazyllm::text {

/// A stretch of a prompt: a special token, or text (`token` is kNoToken).
struct Fragment {
  TokenId token = kNoToken;
  size_t begin = 0, end = 0;  ///< bytes
};

/// A half-open range of bytes.
struct ByteRange {
  size_t begin = 0, end = 0;
};

/// Finds control, unknown and user-defined tokens in text: at each position the longest one.
class SpecialTokens {
 public:
  /// Those of vocabulary.normalized in the normalizer's form, or, without one, all others. Without
  /// steps in the normalizer, all.
  SpecialTokens(const Vocabulary& vocabulary, const Normalizer* normalizer);

  bool empty() const { return nodes_.size() == 1; }

  /// Cuts `text` into special tokens and the text between them. Control and
  /// unknown tokens are looked for inside the `trusted` ranges only (ascending, disjoint,
  /// not touching), user-defined ones everywhere.
  std::vector<Fragment> partition(std::string_view text,
                                  const std::vector<ByteRange>& trusted) const;

 private:
  struct Node {
    TokenId token = kNoToken;  ///< the token that ends here
    bool needs_trust = false;
  };
  struct Match {
    TokenId token = kNoToken;
    size_t length = 0;
  };

  void add(std::string_view spelling, TokenId token, bool needs_trust);
  Match longest_match(std::string_view text, size_t at, size_t trusted_end) const;

  static uint64_t edge(uint32_t node, char byte) {
    return (static_cast<uint64_t>(node) << 8) | static_cast<uint8_t>(byte);
  }

  std::vector<Node> nodes_;                       ///< a trie, the root first
  std::unordered_map<uint64_t, uint32_t> edges_;  ///< (node, byte) -> node
  bool begins_token_[256] = {};
  std::vector<bool> strip_left_, strip_right_, single_word_;  ///< by token; empty if there is none
};

}  // namespace lazyllm::text
