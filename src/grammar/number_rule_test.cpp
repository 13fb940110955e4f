// SPDX-License-Identifier: Apache-2.0
#include "grammar/number_rule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>

namespace lazyllm::grammar {
namespace {

bool push_all(const NumberRule& rule, const std::string& text, NumberState& state) {
  for (const char byte : text) {
    if (!state.push(rule, static_cast<uint8_t>(byte))) return false;
  }
  return true;
}

bool accepts(const NumberRule& rule, const std::string& text) {
  NumberState state;
  return push_all(rule, text, state) && state.complete(rule);
}

NumberRule integers(Int128 minimum, Int128 maximum, Int128 step = 1) {
  NumberRule rule;
  rule.kind = NumberRule::Kind::integer;
  rule.minimum = minimum;
  rule.maximum = maximum;
  rule.step = step;
  return rule;
}

TEST(NumberRule, TakesExactlyTheIntegersOfARange) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    int a = static_cast<int>(random() % 4000) - 2000, b = static_cast<int>(random() % 4000) - 2000;
    const int step = static_cast<int>(random() % 5) == 0 ? static_cast<int>(random() % 300) + 1 : 1;
    if (a > b) std::swap(a, b);
    const NumberRule rule = integers(a, b, step);
    bool any = false;
    for (int n = -2100; n <= 2100; ++n) {
      const bool fits = n >= a && n <= b && n % step == 0;
      any = any || fits;
      ASSERT_EQ(accepts(rule, std::to_string(n)), fits) << n << " in " << a << " .. " << b;
    }
    EXPECT_EQ(rule.possible(), any);
  }
}

/// Every beginning that is taken can be completed with at most `most` further digits.
bool completes(const NumberRule& rule, const NumberState& state, int most) {
  if (state.complete(rule)) return true;
  if (most == 0) return false;
  for (const char byte : std::string("0123456789.")) {
    NumberState next = state;
    if (next.push(rule, static_cast<uint8_t>(byte)) && completes(rule, next, most - 1)) return true;
  }
  return false;
}

TEST(NumberRule, LeadsToNoDeadEnd) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    NumberRule rule = integers(static_cast<int>(random() % 2000) - 1000, 0, random() % 60 + 1);
    rule.maximum = rule.minimum + static_cast<int>(random() % 200);
    if (round % 2 == 0) {
      rule.kind = NumberRule::Kind::decimal;
      rule.step = 1;
      const Int128 unit = NumberRule::kUnit / 1000;
      rule.minimum = rule.minimum * unit + 1;
      rule.maximum *= unit;
    }
    for (const char first : std::string("-0123456789")) {
      NumberState state;
      if (!state.push(rule, static_cast<uint8_t>(first))) continue;
      EXPECT_TRUE(completes(rule, state, 8)) << first << " round " << round;
      for (const char second : std::string("0123456789.")) {
        NumberState next = state;
        if (!next.push(rule, static_cast<uint8_t>(second))) continue;
        EXPECT_TRUE(completes(rule, next, 8)) << first << second << " round " << round;
      }
    }
  }
}

TEST(NumberRule, DecimalsKeepToTheirBounds) {
  NumberRule rule;
  rule.kind = NumberRule::Kind::decimal;
  rule.minimum = -NumberRule::kUnit / 2;
  rule.maximum = NumberRule::kUnit + 1;  // 1.000000000000001
  for (const char* good : {"0", "1", "-0.5", "0.5", "1.0", "0.999999999999999", "-0.1", "1.00"}) {
    EXPECT_TRUE(accepts(rule, good)) << good;
  }
  // Sixteen digits would be needed to reach beyond 1.
  for (const char* bad : {"1.000000000000001", "-1", "-0.51", "2", "1.1", "-0", "-0.0", "01", "1.",
                          ".5", "1e0", "0.5e1", "--1", ""}) {
    EXPECT_FALSE(accepts(rule, bad)) << bad;
  }
  rule.minimum = rule.maximum;  // cannot be written with fifteen digits
  EXPECT_FALSE(rule.possible());
}

TEST(NumberRule, AnyIsTheNumberOfJson) {
  const NumberRule rule;
  for (const char* good :
       {"0", "-0", "10", "1.5", "-0.25e+10", "1E5", "1e-99", "12345678901234567890"}) {
    EXPECT_TRUE(accepts(rule, good)) << good;
  }
  for (const char* bad : {"01", "1.", ".5", "+1", "1e", "1e+", "1e100", "123456789012345678901",
                          "0x1", "-", "1.2.3", "1e5.0"}) {
    EXPECT_FALSE(accepts(rule, bad)) << bad;
  }
  EXPECT_TRUE(std::isfinite(std::stod("99999999999999999999.9e99")));
}

TEST(NumberRule, ReachesTheEndsOf64Bits) {
  const NumberRule rule = integers(INT64_MIN, INT64_MAX);
  EXPECT_TRUE(accepts(rule, "9223372036854775807"));
  EXPECT_TRUE(accepts(rule, "-9223372036854775808"));
  EXPECT_FALSE(accepts(rule, "9223372036854775808"));
  EXPECT_FALSE(accepts(rule, "-9223372036854775809"));
  EXPECT_FALSE(accepts(rule, "-0"));
}

}  // namespace
}  // namespace lazyllm::grammar
