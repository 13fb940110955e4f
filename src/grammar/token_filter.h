// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "grammar/recogniser.h"
#include "grammar/string_masks.h"
#include "grammar/token_table.h"

namespace lazyllm::grammar {

/// The tokens that may come next in one answer, so that its text stays one that the grammar can
/// complete. At least one always may. Not thread-safe; table, grammar and masks are shared.
class TokenFilter {
 public:
  /// `masks`: of the same table and grammar, or none to have its own.
  TokenFilter(std::shared_ptr<const TokenTable> table, std::shared_ptr<const Grammar> grammar,
              std::shared_ptr<StringMasks> masks = nullptr);

  /// One bit for each token, 64 a word. Valid until the next call.
  std::span<const uint64_t> allowed();
  /// The token that was chosen. Errors: Error(usage) if it may not come here.
  void accept(int32_t token);
  /// True if the value is complete: the answer may end.
  bool complete() const;

 private:
  /// Threads that go through different walks: inside a string nearly every token is possible, and
  /// which ones do not end it is known beforehand.
  struct Parts {
    std::vector<Thread> in_string, others;
  };

  Parts parts() const;
  void allow(int32_t token) { mask_[static_cast<size_t>(token) / 64] |= bit(token); }
  static uint64_t bit(int32_t token) { return uint64_t{1} << (static_cast<uint64_t>(token) % 64); }
  void allow_in_string(uint32_t characters);
  bool allow_matching(const std::vector<Thread>& threads);
  /// False if it would cost too much.
  bool walk(const TokenTrie& trie, const std::vector<Thread>& from);
  void allow_by_threads();
  void follow(const std::vector<Thread>& from, std::string_view bytes, std::vector<Thread>& out);

  std::shared_ptr<const TokenTable> table_;
  std::shared_ptr<StringMasks> masks_;
  Recogniser recogniser_;
  std::vector<Thread> threads_;
  std::vector<uint64_t> mask_;
  bool ended_ = false;
  // Of a walk, by depth.
  std::vector<std::vector<Thread>> levels_;
  std::vector<Recogniser::Mark> marks_;
};

}  // namespace lazyllm::grammar
