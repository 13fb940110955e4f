// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "grammar/character_set.h"

namespace lazyllm::grammar {

/// The inside of a JSON string, byte by byte: valid UTF-8 and escapes, surrogate pairs included,
/// become characters. Bytes that cannot become a character that is wanted are refused at once.
struct StringDecoder {
  enum class Phase : uint8_t {
    plain,   ///< between characters
    utf8_2,  ///< inside a character of 2, 3 or 4 bytes; `left` are to come
    utf8_3,
    utf8_4,
    escape,          ///< behind a backslash
    unit,            ///< in the four digits of \u; `left` are to come
    pair_backslash,  ///< the other half of a surrogate pair must follow: its backslash,
    pair_u,          ///< its u,
    pair_unit,       ///< its digits
  };
  enum class Outcome : uint8_t { refused, more, character, quote };

  Phase phase = Phase::plain;
  uint8_t left = 0;
  uint16_t high = 0;  ///< of a surrogate pair
  char32_t bits = 0;  ///< of the character so far; with Outcome::character the character

  /// `wanted(first, last)` says whether a character of that range may come next. It must not be
  /// asked about the quote that ends the string.
  template <typename Wanted>
  Outcome push(uint8_t byte, const Wanted& wanted);
  bool operator==(const StringDecoder&) const = default;

 private:
  template <typename Wanted>
  Outcome begin(uint8_t byte, const Wanted& wanted);
  template <typename Wanted>
  Outcome continue_utf8(uint8_t byte, const Wanted& wanted);
  template <typename Wanted>
  Outcome after_backslash(uint8_t byte, const Wanted& wanted);
  template <typename Wanted>
  Outcome digit(uint8_t byte, const Wanted& wanted);
  template <typename Wanted>
  bool unit_wanted(char32_t first, char32_t last, const Wanted& wanted) const;

  Outcome finish(char32_t character) {
    *this = {};
    bits = character;
    return Outcome::character;
  }
  template <typename Wanted>
  Outcome finish_if_wanted(char32_t character, const Wanted& wanted) {
    return wanted(character, character) ? finish(character) : Outcome::refused;
  }
};

inline int hexadecimal_value(uint8_t byte) {
  if (byte >= '0' && byte <= '9') return byte - '0';
  const uint8_t lower = byte | 0x20;
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/// True if some character of first .. last that is no surrogate is wanted.
template <typename Wanted>
bool wanted_beside_surrogates(char32_t first, char32_t last, const Wanted& wanted) {
  if (first < 0xD800 && wanted(first, last < 0xD800 ? last : 0xD7FF)) return true;
  return last > 0xDFFF && wanted(first > 0xDFFF ? first : 0xE000, last);
}

/// As `wanted`, but escapes are left to what cannot stand for itself: quotes, backslashes, control
/// characters, and characters beyond ASCII, whose bytes a vocabulary may lack. A text then has
/// nearly one spelling. `decoder` is the one that asks.
template <typename Wanted>
bool wanted_literally(const StringDecoder& decoder, char32_t first, char32_t last,
                      const Wanted& wanted) {
  const auto some = [&](char32_t low, char32_t high) {
    low = low < first ? first : low;
    high = high > last ? last : high;
    return low <= high && wanted(low, high);
  };
  if (decoder.phase < StringDecoder::Phase::escape) return wanted(first, last);
  if (some(0, 0x1F) || some(0x7F, kLastCharacter)) return true;
  return decoder.phase == StringDecoder::Phase::escape && (some('"', '"') || some('\\', '\\'));
}

template <typename Wanted>
StringDecoder::Outcome StringDecoder::push(uint8_t byte, const Wanted& wanted) {
  switch (phase) {
    case Phase::plain:
      return begin(byte, wanted);
    case Phase::utf8_2:
    case Phase::utf8_3:
    case Phase::utf8_4:
      return continue_utf8(byte, wanted);
    case Phase::escape:
      return after_backslash(byte, wanted);
    case Phase::pair_backslash:
      phase = Phase::pair_u;
      return byte == '\\' ? Outcome::more : Outcome::refused;
    case Phase::pair_u:
      phase = Phase::pair_unit;
      left = 4;
      bits = 0;
      return byte == 'u' ? Outcome::more : Outcome::refused;
    case Phase::unit:
    case Phase::pair_unit:
      return digit(byte, wanted);
  }
  return Outcome::refused;
}

template <typename Wanted>
StringDecoder::Outcome StringDecoder::begin(uint8_t byte, const Wanted& wanted) {
  if (byte == '"') return Outcome::quote;
  if (byte == '\\') {
    phase = Phase::escape;
    return wanted(0, kLastCharacter) ? Outcome::more : Outcome::refused;
  }
  if (byte < 0x20) return Outcome::refused;
  if (byte < 0x80) return finish_if_wanted(byte, wanted);
  if (byte < 0xC2 || byte > 0xF4) return Outcome::refused;
  left = byte < 0xE0 ? 1 : byte < 0xF0 ? 2 : 3;
  phase = static_cast<Phase>(static_cast<uint8_t>(Phase::utf8_2) + left - 1);
  // The lead byte goes through the same check as the rest, without bits before it.
  const uint8_t lead = static_cast<uint8_t>(byte & (0x3F >> left));
  ++left;
  bits = 0;
  return continue_utf8(static_cast<uint8_t>(0x80 | lead), wanted);
}

template <typename Wanted>
StringDecoder::Outcome StringDecoder::continue_utf8(uint8_t byte, const Wanted& wanted) {
  if ((byte & 0xC0) != 0x80) return Outcome::refused;
  bits = (bits << 6) | (byte & 0x3F);
  --left;
  const char32_t shortest = phase == Phase::utf8_2   ? 0x80
                            : phase == Phase::utf8_3 ? 0x800
                                                     : 0x10000;
  char32_t first = bits << (6 * left);
  char32_t last = first | ((char32_t{1} << (6 * left)) - 1);
  if (first < shortest) first = shortest;
  if (last > kLastCharacter) last = kLastCharacter;
  if (first > last || !wanted_beside_surrogates(first, last, wanted)) return Outcome::refused;
  return left == 0 ? finish(bits) : Outcome::more;
}

template <typename Wanted>
StringDecoder::Outcome StringDecoder::after_backslash(uint8_t byte, const Wanted& wanted) {
  switch (byte) {
    case '"':
    case '\\':
    case '/':
      return finish_if_wanted(byte, wanted);
    case 'b':
      return finish_if_wanted('\b', wanted);
    case 'f':
      return finish_if_wanted('\f', wanted);
    case 'n':
      return finish_if_wanted('\n', wanted);
    case 'r':
      return finish_if_wanted('\r', wanted);
    case 't':
      return finish_if_wanted('\t', wanted);
    case 'u':
      phase = Phase::unit;
      left = 4;
      bits = 0;
      return unit_wanted(0, 0xFFFF, wanted) ? Outcome::more : Outcome::refused;
    default:
      return Outcome::refused;
  }
}

/// True if a UTF-16 unit of first .. last can lead to a character that is wanted.
template <typename Wanted>
bool StringDecoder::unit_wanted(char32_t first, char32_t last, const Wanted& wanted) const {
  if (phase == Phase::pair_unit) {
    if (first < 0xDC00) first = 0xDC00;
    if (last > 0xDFFF) last = 0xDFFF;
    const char32_t base = 0x10000 + ((char32_t{high} - 0xD800) << 10);
    return first <= last && wanted(base + (first - 0xDC00), base + (last - 0xDC00));
  }
  if (wanted_beside_surrogates(first, last, wanted)) return true;
  if (first < 0xD800) first = 0xD800;
  if (last > 0xDBFF) last = 0xDBFF;
  return first <= last &&
         wanted(0x10000 + ((first - 0xD800) << 10), 0x10000 + ((last - 0xD800) << 10) + 0x3FF);
}

template <typename Wanted>
StringDecoder::Outcome StringDecoder::digit(uint8_t byte, const Wanted& wanted) {
  const int value = hexadecimal_value(byte);
  if (value < 0) return Outcome::refused;
  bits = (bits << 4) | static_cast<char32_t>(value);
  --left;
  const char32_t first = bits << (4 * left);
  if (!unit_wanted(first, first | ((char32_t{1} << (4 * left)) - 1), wanted)) {
    return Outcome::refused;
  }
  if (left > 0) return Outcome::more;
  if (phase == Phase::pair_unit) {
    return finish(0x10000 + ((char32_t{high} - 0xD800) << 10) + (bits - 0xDC00));
  }
  if (bits < 0xD800 || bits > 0xDFFF) return finish(bits);
  high = static_cast<uint16_t>(bits);
  phase = Phase::pair_backslash;
  return Outcome::more;
}

}  // namespace lazyllm::grammar
