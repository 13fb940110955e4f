// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace lazyllm::lazy {

/// How a prompt's tokens attend: densely, or in whole chunks of `chunk` tokens of the set, each to
/// the best `share` of the keys before it. What lies in which chunk depends on the place in the set
/// alone, so that a row's bits follow from the prompt and not from how it was cut. Chunks that
/// begin before `from` and what follows the last chunk that ends `tail` before the set's end are
/// dense.
struct AttentionForm {
  bool sparse = false;
  double share = 1.0;       ///< of the keys between first and recent, rounded up
  int64_t from = 0;         ///< a multiple of `chunk`, at least first + recent
  int64_t chunk = 1;        ///< tokens
  int64_t first = 0;        ///< keys at the beginning that always stay
  int64_t recent = 0;       ///< keys before the chunk that always stay
  int64_t tail = 0;         ///< last tokens of a set that always attend densely
  int representatives = 1;  ///< queries per head that choose for a chunk

  bool operator==(const AttentionForm&) const = default;

  /// "dense", "sparse", "sparse:SHARE", "sparse@FROM" or "sparse:SHARE@FROM".
  /// Errors: Error(usage), a sentence.
  static AttentionForm parse(std::string_view text);
  /// "dense" or "sparse:0.12@4096".
  std::string to_string() const;

  /// Of `size` tokens those at the beginning that lie in whole chunks before the tail.
  int64_t chunked(int64_t size) const;
  /// (query, key) pairs of `size` tokens / those of dense attention.
  double expected_share(int64_t size) const;
  /// This form, or dense where the set is so short that no chunk of it is sparse.
  AttentionForm for_size(int64_t size) const;
};

/// Of `common` tokens at the beginning of two prompts, how many have the same bits in both when
/// one was computed by `held` and the other is to be by `wanted`.
int64_t tokens_alike(const AttentionForm& held, const AttentionForm& wanted, int64_t common);

}  // namespace lazyllm::lazy
