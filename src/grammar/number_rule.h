// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace lazyllm::grammar {

__extension__ typedef __int128 Int128;

/// Which numbers a value may be.
///
/// Integers are written without fraction and exponent, numbers between bounds without exponent:
/// then what has been written confines the rest to known ranges, and no path ends nowhere.
struct NumberRule {
  enum class Kind : uint8_t {
    any,      ///< any JSON number, its digits bounded so that it stays finite in a double
    integer,  ///< minimum .. maximum, a multiple of `step`
    decimal,  ///< the same in units of 10^-kDecimals; `step` up to 10^21
  };
  /// Digits of a decimal in all. With at most 15, different decimals are different doubles, so that
  /// a reader who compares doubles agrees about exclusive bounds.
  static constexpr int kDigits = 15;
  static constexpr int kDecimals = 15;
  static constexpr Int128 kUnit = 1'000'000'000'000'000;  ///< units in 1

  Kind kind = Kind::any;
  Int128 minimum = 0, maximum = 0;
  Int128 step = 1;

  /// True if some number can be written.
  bool possible() const;
};

/// A number of which the first bytes have been written.
struct NumberState {
  enum class Phase : uint8_t { start, sign, zero, digits, point, fraction, e, e_sign, exponent };
  Phase phase = Phase::start;
  bool negative = false;
  uint8_t digits = 0;    ///< that count: without a leading zero; those of an exponent by themselves
  uint8_t decimals = 0;  ///< behind the point
  Int128 value = 0;      ///< the digits before and behind the point; not for Kind::any

  /// Writes one more byte. False if it may not come here; the state is then of no use.
  bool push(const NumberRule& rule, uint8_t byte);
  /// True if the number may end here.
  bool complete(const NumberRule& rule) const;
  bool operator==(const NumberState&) const = default;

 private:
  bool push_any(uint8_t byte);
  bool push_digit(const NumberRule& rule, uint8_t digit);
  bool can_continue(const NumberRule& rule) const;
};

}  // namespace lazyllm::grammar
