// SPDX-License-Identifier: Apache-2.0
#include "evaluation/sequence_ratio.h"

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "jinja/unicode.h"

namespace lazyllm::evaluation {
namespace {

std::vector<char32_t> characters(std::string_view text) {
  std::vector<char32_t> result;
  for (size_t byte = 0; byte < text.size();) {
    const jinja::Character character = jinja::character_at(text, byte);
    // Stray bytes differ from each other.
    result.push_back(character.code == jinja::kInvalidCharacter
                         ? 0x110000u + static_cast<unsigned char>(text[byte])
                         : character.code);
    byte += character.length;
  }
  return result;
}

struct Block {
  size_t a, b, size;
};

class Matcher {
 public:
  Matcher(std::vector<char32_t> a, std::vector<char32_t> b) : a_(std::move(a)), b_(std::move(b)) {
    for (size_t j = 0; j < b_.size(); ++j) places_[b_[j]].push_back(j);
    if (b_.size() >= 200) {
      const size_t most = b_.size() / 100 + 1;
      std::erase_if(places_, [&](const auto& entry) { return entry.second.size() > most; });
    }
  }

  double ratio() const {
    const size_t length = a_.size() + b_.size();
    if (length == 0) return 1.0;
    // Stretches still to be searched; their order does not change the sum.
    std::vector<Stretch> open = {{0, a_.size(), 0, b_.size()}};
    size_t matched = 0;
    while (!open.empty()) {
      const Stretch s = open.back();
      open.pop_back();
      const Block block = longest(s);
      if (block.size == 0) continue;
      matched += block.size;
      if (s.a_begin < block.a && s.b_begin < block.b) {
        open.push_back({s.a_begin, block.a, s.b_begin, block.b});
      }
      const size_t a_end = block.a + block.size, b_end = block.b + block.size;
      if (a_end < s.a_end && b_end < s.b_end) open.push_back({a_end, s.a_end, b_end, s.b_end});
    }
    return 2.0 * static_cast<double>(matched) / static_cast<double>(length);
  }

 private:
  struct Stretch {
    size_t a_begin, a_end, b_begin, b_end;
  };

  /// The longest common block; of equal ones that which begins first in a, then in b.
  Block longest(const Stretch& s) const {
    Block best{s.a_begin, s.b_begin, 0};
    std::unordered_map<size_t, size_t> lengths, next;  // of the block that ends at j
    for (size_t i = s.a_begin; i < s.a_end; ++i) {
      next.clear();
      if (const auto found = places_.find(a_[i]); found != places_.end()) {
        for (const size_t j : found->second) {
          if (j < s.b_begin) continue;
          if (j >= s.b_end) break;
          const auto before = j == 0 ? lengths.end() : lengths.find(j - 1);
          const size_t size = before == lengths.end() ? 1 : before->second + 1;
          next[j] = size;
          if (size > best.size) best = {i + 1 - size, j + 1 - size, size};
        }
      }
      std::swap(lengths, next);
    }
    // Frequent characters begin no block but may lengthen one.
    while (best.a > s.a_begin && best.b > s.b_begin && a_[best.a - 1] == b_[best.b - 1]) {
      --best.a;
      --best.b;
      ++best.size;
    }
    while (best.a + best.size < s.a_end && best.b + best.size < s.b_end &&
           a_[best.a + best.size] == b_[best.b + best.size]) {
      ++best.size;
    }
    return best;
  }

  std::vector<char32_t> a_, b_;
  std::unordered_map<char32_t, std::vector<size_t>> places_;  // in b, rising
};

}  // namespace

double sequence_ratio(std::string_view a, std::string_view b) {
  return Matcher(characters(a), characters(b)).ratio();
}

}  // namespace lazyllm::evaluation
