// SPDX-License-Identifier: Apache-2.0
#include "text/unicode.h"

#include <algorithm>
#include <array>

#include "text/unicode_table.h"

namespace lazyllm::text {
namespace {

constexpr char32_t kCodePoints = 0x110000;
constexpr char32_t kBlockSize = 256;

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// The ranges unfolded into blocks of 256 code points, equal blocks stored once:
/// two loads per look-up and some 100 KiB instead of a binary search.
class ClassTable {
 public:
  ClassTable() {
    std::array<Classes, kBlockSize> block{};
    int range = 0;
    for (char32_t first = 0; first < kCodePoints; first += kBlockSize) {
      for (char32_t i = 0; i < kBlockSize; ++i) {
        const char32_t c = first + i;
        while (range + 1 < kCategoryRangeCount && (kCategoryRanges[range + 1] >> 4) <= c) ++range;
        const auto category = static_cast<Category>(kCategoryRanges[range] & 15U);
        block[i] = static_cast<Classes>(class_bit(category) | (is_white_space(c) ? kSpace : 0));
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

bool is_continuation(char byte) {
  return (static_cast<uint8_t>(byte) & 0xC0U) == 0x80U;
}

}  // namespace

Classes classes_of(char32_t code_point) {
  static const ClassTable table;
  return code_point < kCodePoints ? table.at(code_point) : class_bit(Category::other);
}

DecodedCharacter decode_utf8(std::string_view text, size_t offset) {
  const auto lead = static_cast<uint8_t>(text[offset]);
  if (lead < 0x80) return {lead, 1, true};
  uint32_t length = 0;
  char32_t code_point = 0;
  char32_t smallest = 0;
  if ((lead & 0xE0U) == 0xC0U) {
    length = 2, code_point = lead & 0x1FU, smallest = 0x80;
  } else if ((lead & 0xF0U) == 0xE0U) {
    length = 3, code_point = lead & 0x0FU, smallest = 0x800;
  } else if ((lead & 0xF8U) == 0xF0U) {
    length = 4, code_point = lead & 0x07U, smallest = 0x10000;
  }
  const DecodedCharacter invalid{kReplacementCharacter, 1, false};
  if (length == 0 || text.size() - offset < length) return invalid;
  for (uint32_t i = 1; i < length; ++i) {
    if (!is_continuation(text[offset + i])) return invalid;
    code_point = (code_point << 6) | (static_cast<uint8_t>(text[offset + i]) & 0x3FU);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < smallest || surrogate || code_point >= kCodePoints) return invalid;
  return {code_point, length, true};
}

void append_utf8(std::string& text, char32_t code_point) {
  const auto c = static_cast<uint32_t>(code_point);
  const auto put = [&text](uint32_t byte) { text.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0U | (c >> 6));
    put(0x80U | (c & 0x3FU));
  } else if (c < 0x10000) {
    put(0xE0U | (c >> 12));
    put(0x80U | ((c >> 6) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  } else {
    put(0xF0U | (c >> 18));
    put(0x80U | ((c >> 12) & 0x3FU));
    put(0x80U | ((c >> 6) & 0x3FU));
    put(0x80U | (c & 0x3FU));
  }
}

size_t incomplete_utf8_suffix(std::string_view text) {
  for (size_t length = 1; length <= std::min<size_t>(3, text.size()); ++length) {
    const char lead = text[text.size() - length];
    if (is_continuation(lead)) continue;
    // Completable if some continuation makes it valid: the extremes decide (a first
    // continuation byte is restricted after E0, ED, F0 and F4, later ones never are).
    for (const char filler : {'\x80', '\xBF'}) {
      std::string candidate(text.substr(text.size() - length));
      candidate.resize(4, filler);
      const DecodedCharacter character = decode_utf8(candidate, 0);
      if (character.valid && character.length > length) return length;
    }
    return 0;
  }
  return 0;
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  for (size_t offset = 0; offset < text.size();) {
    const DecodedCharacter character = decode_utf8(text, offset);
    append_utf8(result, character.code_point);
    offset += character.length;
  }
  return result;
}

}  // namespace lazyllm::text
