// SPDX-License-Identifier: Apache-2.0
#include "lazy/sparse_attention.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace lazyllm::lazy {

void SparseAttention::enter_layer(const AttentionForm& form, std::span<const int32_t> set,
                                  std::span<const int32_t> pending) {
  form_ = form;
  chunks_.clear();
  const int64_t end = form.chunked(std::ssize(set));
  for (int64_t begin = form.from; begin < end; begin += form.chunk) {
    const int32_t first = set[static_cast<size_t>(begin)];
    const int32_t last = set[static_cast<size_t>(begin + form.chunk - 1)];
    const auto found = std::lower_bound(pending.begin(), pending.end(), first);
    const int64_t index = found - pending.begin();
    // Both rise and all that is pending is in the set: where the ends meet, all do.
    if (index + form.chunk > std::ssize(pending) || *found != first) continue;
    if (pending[static_cast<size_t>(index + form.chunk - 1)] != last) continue;
    chunks_.push_back({begin, index});
  }
}

const SparseAttention::Chunk* SparseAttention::next_chunk(int64_t pending_index) const {
  const auto found =
      std::lower_bound(chunks_.begin(), chunks_.end(), pending_index,
                       [](const Chunk& c, int64_t index) { return c.pending_index < index; });
  return found == chunks_.end() ? nullptr : &*found;
}

int64_t SparseAttention::whole_rows(int64_t first, int64_t most, bool at_least_one) const {
  const Chunk* const last = next_chunk(first + most - form_.chunk + 1);
  const bool is_cut = last != nullptr && last->pending_index < first + most &&
                      first + most < last->pending_index + form_.chunk;
  if (!is_cut) return most;
  if (last->pending_index > first) return last->pending_index - first;
  return at_least_one ? form_.chunk : 0;
}

int64_t SparseAttention::chosen(const Chunk& chunk) const {
  return static_cast<int64_t>(std::ceil(form_.share * static_cast<double>(middle(chunk))));
}

int64_t SparseAttention::keys_before(const Chunk& chunk) const {
  return form_.first + chosen(chunk) + form_.recent;
}

void SparseAttention::choose(std::span<float> scores, int64_t count, std::span<const int32_t> slots,
                             int32_t* chosen) {
  for (float& score : scores) {
    if (std::isnan(score)) score = -std::numeric_limits<float>::infinity();  // a damaged model
  }
  ranked_.assign(scores.begin(), scores.end());
  const auto last = ranked_.begin() + count - 1;
  std::nth_element(ranked_.begin(), last, ranked_.end(), std::greater<>());
  const float least = *last;
  // Of those that score the same the first ones.
  int64_t equal =
      count - std::count_if(ranked_.begin(), last + 1, [&](float score) { return score > least; });
  for (size_t i = 0; i < scores.size(); ++i) {
    const bool is_equal = scores[i] == least;
    if (scores[i] < least || (is_equal && equal == 0)) continue;
    equal -= is_equal ? 1 : 0;
    *chosen++ = slots[i];
  }
}

void SparseAttention::attend(const kernels::Backend& backend, const Chunk& chunk,
                             kernels::AttentionInput input, kernels::FloatRows out) {
  const auto kv_heads = static_cast<size_t>(input.cache.layout.kv_heads);
  const std::span<const int32_t> set_slots = input.key_slots;
  const auto slots = [&](int64_t begin, int64_t count) {
    return set_slots.subspan(static_cast<size_t>(begin), static_cast<size_t>(count));
  };
  const std::span<const int32_t> between = slots(form_.first, middle(chunk));
  scores_.resize(kv_heads * between.size());
  backend.key_similarities({.queries = input.queries,
                            .heads = input.heads,
                            .cache = input.cache,
                            .key_slots = between,
                            .representatives = form_.representatives},
                           scores_);

  const int64_t count = chosen(chunk), before = keys_before(chunk);
  const auto stride = static_cast<size_t>(before + form_.chunk);
  lists_.resize(kv_heads * stride);
  for (size_t head = 0; head < kv_heads; ++head) {
    int32_t* list = lists_.data() + head * stride;
    list = std::ranges::copy(slots(0, form_.first), list).out;
    if (count > 0) {
      choose(std::span(scores_).subspan(head * between.size(), between.size()), count, between,
             list);
      list += count;
    }
    std::ranges::copy(slots(chunk.set_index - form_.recent, form_.recent + form_.chunk), list);
  }
  first_key_.assign(static_cast<size_t>(form_.chunk), 0);
  end_key_.clear();
  for (int64_t row = 0; row < form_.chunk; ++row) {
    end_key_.push_back(static_cast<int32_t>(before + row + 1));
  }
  input.first_key = first_key_;
  input.end_key = end_key_;
  input.key_slots = lists_;
  input.list_stride = static_cast<int64_t>(stride);
  backend.attention(input, out);
}

}  // namespace lazyllm::lazy
