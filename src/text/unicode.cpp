// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <utf8proc.h>

#include <array>

namespace lazyllm::text {
namespace {

constexpr char32_t kCodePoints = 0x110000;
constexpr char32_t kBlockSize = 256;

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

Category category_of(char32_t c) {
  // Unicode 15.1, with which models' tools split words; utf8proc 2.8 has 15.0.
  if (c >= 0x2EBF0 && c <= 0x2EE5D) return Category::letter;
  if ((c >= 0x2FFC && c <= 0x2FFF) || c == 0x31EF) return Category::symbol;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_LU:
      return Category::upper;
    case UTF8PROC_CATEGORY_LL:
      return Category::lower;
    case UTF8PROC_CATEGORY_LT:
      return Category::title;
    case UTF8PROC_CATEGORY_LM:
      return Category::modifier;
    case UTF8PROC_CATEGORY_LO:
      return Category::letter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return Category::mark;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Category::number;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return Category::punctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return Category::symbol;
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
      return Category::separator;
    default:
      return Category::other;
  }
}

/// Blocks of 256 code points, equal blocks stored once: two loads per look-up.
class ClassTable {
 public:
  ClassTable() {
    std::array<Classes, kBlockSize> block{};
    for (char32_t first = 0; first < kCodePoints; first += kBlockSize) {
      for (char32_t i = 0; i < kBlockSize; ++i) {
        const char32_t c = first + i;
        block[i] =
            static_cast<Classes>(class_bit(category_of(c)) | (is_white_space(c) ? kSpace : 0));
      }
      // Long stretches of one category lie next to each other: looking back one is enough.
      if (blocks_.empty() || blocks_.back() != block) blocks_.push_back(block);
      index_[first / kBlockSize] = static_cast<uint16_t>(blocks_.size() - 1);
    }
  }

  Classes at(char32_t c) const { return blocks_[index_[c / kBlockSize]][c % kBlockSize]; }

 private:
  std::array<uint16_t, kCodePoints / kBlockSize> index_{};
  std::vector<std::array<Classes, kBlockSize>> blocks_;
};

}  // namespace

Classes classes_of(char32_t code_point) {
  static const ClassTable table;
  return code_point < kCodePoints ? table.at(code_point) : class_bit(Category::other);
}

}  // namespace lazyllm::text
