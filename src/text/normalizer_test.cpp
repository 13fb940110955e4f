// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace lazyllm::text {
namespace {

using testing::ElementsAre;
using Kind = NormalizerStep::Kind;

std::string apply(std::string_view text, std::vector<NormalizerStep> steps) {
  std::vector<uint32_t> origins;
  const Normalizer normalizer(std::move(steps));
  const std::string made = normalizer.apply(text, &origins);
  EXPECT_EQ(origins.size(), made.size() + 1);
  EXPECT_TRUE(std::is_sorted(origins.begin(), origins.end()));
  EXPECT_EQ(origins.back(), text.size());
  EXPECT_EQ(normalizer.apply(text), made);
  return made;
}

// Expected texts: unicodedata of Python 3.11.
TEST(Normalizer, NormalForms) {
  const std::string text = "e\u0301\u0327x \uFB01 \u00BD \uAC01 \u1100\u1161\u11A8 \uFF76\uFF9E";
  EXPECT_EQ(apply(text, {{.kind = Kind::nfc}}),
            "\u0229\u0301x \uFB01 \u00BD \uAC01 \uAC01 \uFF76\uFF9E");
  EXPECT_EQ(apply(text, {{.kind = Kind::nfd}}),
            "e\u0327\u0301x \uFB01 \u00BD \u1100\u1161\u11A8 \u1100\u1161\u11A8 \uFF76\uFF9E");
  EXPECT_EQ(apply(text, {{.kind = Kind::nfkc}}), "\u0229\u0301x fi 1\u20442 \uAC01 \uAC01 \u30AC");
  EXPECT_EQ(apply(text, {{.kind = Kind::nfkd}}),
            "e\u0327\u0301x fi 1\u20442 \u1100\u1161\u11A8 \u1100\u1161\u11A8 \u30AB\u3099");
}

TEST(Normalizer, InvalidBytesStay) {
  EXPECT_EQ(apply("e\xFF\xCC\x81 e\u0301\xC3", {{.kind = Kind::nfc}}), "e\xFF\xCC\x81 \u00E9\xC3");
  EXPECT_EQ(apply("\xC3(A", {{.kind = Kind::lowercase}}), "\xC3(a");
}

TEST(Normalizer, OtherSteps) {
  EXPECT_EQ(apply("ÀB\u0130ẞ", {{.kind = Kind::lowercase}}), "àbi\u0307ß");
  EXPECT_EQ(apply("e\u0301a", {{.kind = Kind::strip_accents}}), "ea");
  EXPECT_EQ(apply(" \u3000a b\n", {{.kind = Kind::strip}}), "a b");
  EXPECT_EQ(apply(" a ", {{.kind = Kind::strip, .left = false}}), " a");
  EXPECT_EQ(apply(" \n", {{.kind = Kind::strip}}), "");
  EXPECT_EQ(apply("a--b---", {{.kind = Kind::replace, .pattern = "--", .content = "~"}}), "a~b~-");
  EXPECT_EQ(apply("a", {{.kind = Kind::prepend, .content = ">>"}}), ">>a");
  EXPECT_EQ(apply("", {{.kind = Kind::prepend, .content = ">>"}}), "");
  EXPECT_EQ(apply("É ", {{.kind = Kind::nfd},
                         {.kind = Kind::strip_accents},
                         {.kind = Kind::lowercase},
                         {.kind = Kind::strip},
                         {.kind = Kind::prepend, .content = "<"}}),
            "<e");
}

TEST(Normalizer, WhereBytesComeFrom) {
  std::vector<uint32_t> origins;
  Normalizer({{.kind = Kind::nfc}}).apply("ae\u0301b", &origins);  // a, 3 bytes, b
  EXPECT_THAT(origins, ElementsAre(0, 1, 4, 4, 5));
  Normalizer({{.kind = Kind::nfd}, {.kind = Kind::prepend, .content = "xy"}})
      .apply("\u00E9b", &origins);
  EXPECT_THAT(origins, ElementsAre(0, 0, 0, 2, 2, 2, 3));
}

}  // namespace
}  // namespace lazyllm::text
