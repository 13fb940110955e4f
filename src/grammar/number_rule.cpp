// SPDX-License-Identifier: Apache-2.0
#include "grammar/number_rule.h"

#include <algorithm>
#include <array>
#include <utility>

namespace lazyllm::grammar {
namespace {

constexpr int kIntegerDigits = 19;  // of the 64-bit integers
// For Kind::any: below 10^20 * 10^99.
constexpr int kAnyDigits = 20, kAnyExponentDigits = 2;

constexpr std::array<Int128, 31> powers_of_ten() {
  std::array<Int128, 31> powers{};
  powers[0] = 1;
  for (size_t i = 1; i < powers.size(); ++i) powers[i] = powers[i - 1] * 10;
  return powers;
}
constexpr std::array<Int128, 31> kPowers = powers_of_ten();

Int128 power(int exponent) {
  return kPowers[static_cast<size_t>(exponent)];
}

/// The sizes first .. last that numbers of one sign have; none if first > last.
struct Sizes {
  Int128 first = 0, last = -1;
};

Sizes sizes(const NumberRule& rule, bool negative) {
  if (negative) return {std::max<Int128>(1, -rule.maximum), -rule.minimum};
  return {std::max<Int128>(0, rule.minimum), rule.maximum};
}

/// True if a multiple of `step` lies in both ranges.
bool meets(const Sizes& allowed, Int128 first, Int128 last, Int128 step) {
  const Int128 low = std::max(allowed.first, first), high = std::min(allowed.last, last);
  return low <= high && high - high % step >= low;
}

/// The least number that both divide.
Int128 common_multiple(Int128 a, Int128 b) {
  Int128 divisor = a;
  for (Int128 rest = b; rest != 0;) divisor = std::exchange(rest, divisor % rest);
  return a / divisor * b;
}

bool is_digit(uint8_t byte) {
  return byte >= '0' && byte <= '9';
}

}  // namespace

bool NumberRule::possible() const {
  if (kind == Kind::any) return true;
  for (const uint8_t first : {'-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'}) {
    NumberState state;
    if (state.push(*this, first)) return true;
  }
  return false;
}

bool NumberState::push(const NumberRule& rule, uint8_t byte) {
  if (rule.kind == NumberRule::Kind::any) return push_any(byte);
  if (is_digit(byte)) return push_digit(rule, static_cast<uint8_t>(byte - '0'));
  if (byte == '-' && phase == Phase::start) {
    negative = true;
    phase = Phase::sign;
    return can_continue(rule);
  }
  const bool may_have_fraction = rule.kind == NumberRule::Kind::decimal &&
                                 (phase == Phase::zero || phase == Phase::digits) &&
                                 digits < NumberRule::kDigits;
  if (byte != '.' || !may_have_fraction) return false;
  phase = Phase::point;
  return can_continue(rule);
}

bool NumberState::push_digit(const NumberRule& rule, uint8_t digit) {
  const int most = rule.kind == NumberRule::Kind::integer ? kIntegerDigits : NumberRule::kDigits;
  if (phase == Phase::zero || digits >= most) return false;
  if (phase == Phase::start || phase == Phase::sign) {
    phase = digit == 0 ? Phase::zero : Phase::digits;
    digits = digit == 0 ? 0 : 1;
  } else {
    ++digits;
    if (phase == Phase::point) phase = Phase::fraction;
    if (phase == Phase::fraction) ++decimals;
  }
  value = value * 10 + digit;
  return complete(rule) || can_continue(rule);
}

bool NumberState::complete(const NumberRule& rule) const {
  if (phase != Phase::zero && phase != Phase::digits && phase != Phase::fraction) {
    return phase == Phase::exponent;
  }
  if (rule.kind == NumberRule::Kind::any) return true;
  const bool integer = rule.kind == NumberRule::Kind::integer;
  const Int128 size = integer ? value : value * power(NumberRule::kDecimals - decimals);
  return meets(sizes(rule, negative), size, size, rule.step);
}

/// True if more bytes can make it a number that is allowed.
bool NumberState::can_continue(const NumberRule& rule) const {
  const Sizes allowed = sizes(rule, negative);
  const bool integer = rule.kind == NumberRule::Kind::integer;
  if (phase == Phase::sign) {
    for (uint8_t digit = 0; digit <= 9; ++digit) {
      NumberState next = *this;
      if (next.push_digit(rule, digit)) return true;
    }
    return false;
  }
  const int left = (integer ? kIntegerDigits : NumberRule::kDigits) - digits;
  if (integer) {
    if (phase == Phase::zero) return false;
    for (int more = 1; more <= left; ++more) {
      const Int128 first = value * power(more);
      if (meets(allowed, first, first + power(more) - 1, rule.step)) return true;
    }
    return false;
  }
  if (phase == Phase::point || phase == Phase::fraction) {
    const int more = std::min(left, NumberRule::kDecimals - decimals);
    if (more == 0) return false;
    const Int128 grain = power(NumberRule::kDecimals - decimals - more);
    const Int128 first = value * power(NumberRule::kDecimals - decimals);
    return meets(allowed, first, first + power(NumberRule::kDecimals - decimals) - grain,
                 common_multiple(grain, rule.step));
  }
  // Digits before the point, then as many behind it as are left.
  for (int more = 0; more <= (phase == Phase::zero ? 0 : left); ++more) {
    const Int128 grain =
        power(NumberRule::kDecimals - std::min(left - more, NumberRule::kDecimals));
    const Int128 first = value * power(more) * NumberRule::kUnit;
    const Int128 last = first + power(more) * NumberRule::kUnit - grain;
    if (meets(allowed, first, last, common_multiple(grain, rule.step))) return true;
  }
  return false;
}

bool NumberState::push_any(uint8_t byte) {
  switch (phase) {
    case Phase::start:
    case Phase::sign:
      if (byte == '-' && phase == Phase::start) {
        phase = Phase::sign;
        return true;
      }
      if (!is_digit(byte)) return false;
      phase = byte == '0' ? Phase::zero : Phase::digits;
      digits = 1;
      return true;
    case Phase::zero:
    case Phase::digits:
      if (is_digit(byte)) return phase == Phase::digits && ++digits <= kAnyDigits;
      if (byte == '.') {
        phase = Phase::point;
        digits = 0;
        return true;
      }
      break;
    case Phase::point:
    case Phase::fraction:
      if (is_digit(byte)) {
        phase = Phase::fraction;
        return ++digits <= kAnyDigits;
      }
      if (phase == Phase::point) return false;
      break;
    case Phase::e:
      phase = Phase::e_sign;
      if (byte == '+' || byte == '-') return true;
      [[fallthrough]];
    case Phase::e_sign:
    case Phase::exponent:
      phase = Phase::exponent;
      return is_digit(byte) && ++digits <= kAnyExponentDigits;
  }
  if (byte != 'e' && byte != 'E') return false;
  phase = Phase::e;
  digits = 0;
  return true;
}

}  // namespace lazyllm::grammar
