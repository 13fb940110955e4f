// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lazyllm::text {
class Tokenizer;
}

namespace lazyllm::grammar {

/// Tokens by their bytes: a tree in the order in which it is walked.
class TokenTrie {
 public:
  struct Node {
    uint8_t byte = 0;
    uint8_t depth = 0;             ///< bytes from the root, from 1
    uint32_t skip = 0;             ///< the first node that is not below this one
    uint32_t first = 0, last = 0;  ///< tokens that end here: tokens()[first .. last-1]
  };

  struct Entry {
    std::string bytes;
    int32_t token = 0;
  };
  /// Longer tokens are left out: a text never needs them.
  static constexpr size_t kLongest = 255;

  TokenTrie() = default;
  explicit TokenTrie(std::vector<Entry> entries);

  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<int32_t>& tokens() const { return tokens_; }

 private:
  std::vector<Node> nodes_;
  std::vector<int32_t> tokens_;
};

/// What constrained decoding needs to know of a vocabulary. Immutable.
class TokenTable {
 public:
  /// A token that can stand inside a string and does not end it.
  struct InString {
    int32_t token = 0;
    uint32_t characters = 0;  ///< an unfinished one counts
  };

  /// Control, unknown and unused tokens have no part in it.
  /// Errors: Error(unsupported) for a vocabulary without an end of generation or without
  /// a token for each ASCII character: it could come to a point where no token fits.
  explicit TokenTable(const text::Tokenizer& tokenizer);

  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }
  /// The bytes of a token that writes text; "" for others.
  const std::string& bytes(int32_t token) const { return pieces_[static_cast<size_t>(token)]; }
  bool ends_generation(int32_t token) const;
  const std::vector<int32_t>& ends_of_generation() const { return ends_of_generation_; }

  const TokenTrie& all() const { return all_; }
  /// By rising number of characters.
  const std::vector<InString>& in_string() const { return in_string_; }
  /// The same as bits, 64 tokens a word.
  const std::vector<uint64_t>& in_string_mask() const { return in_string_mask_; }
  /// Tokens that have a string's end inside them if they come within one.
  const TokenTrie& closing_string() const { return closing_string_; }

 private:
  void find_in_string();
  void check() const;

  std::vector<std::string> pieces_;
  std::vector<int32_t> ends_of_generation_;
  TokenTrie all_, closing_string_;
  std::vector<InString> in_string_;
  std::vector<uint64_t> in_string_mask_;
};

}  // namespace lazyllm::grammar
