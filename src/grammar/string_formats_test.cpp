// SPDX-License-Identifier: Apache-2.0
#include "grammar/string_formats.h"

#include <gtest/gtest.h>

#include "grammar/recognise_for_tests.h"

namespace lazyllm::grammar {
namespace {

struct Case {
  const char* format;
  std::vector<const char*> good, bad;
};

TEST(StringFormats, AreKept) {
  const std::vector<Case> cases = {
      {"date",
       {"2024-02-29", "2000-02-29", "1999-12-31", "2023-04-30"},
       {"2023-02-29", "1900-02-29", "2023-04-31", "2023-13-01", "2023-00-10", "23-01-01", "today"}},
      {"time",
       {"23:59:59Z", "00:00:00.123+05:30"},
       {"24:00:00Z", "12:60:00Z", "12:00:00", "12:00Z"}},
      {"date-time", {"2024-02-29T10:00:00Z"}, {"2024-02-30T10:00:00Z", "2024-02-29 10:00:00Z"}},
      {"email", {"a@b.de", "first.last+tag@mail.example.org"}, {"a", "a@b", "a@.de", "a b@c.de"}},
      {"uuid",
       {"123e4567-e89b-12d3-a456-426614174000"},
       {"123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g"}},
      {"ipv4", {"0.0.0.0", "255.249.199.9"}, {"256.0.0.0", "1.2.3", "01.2.3.4", "1.2.3.4.5"}},
      {"ipv6",
       {"::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6::8", "1::3:4:5:6:7:8"},
       {"1:2:3:4:5:6:7", "1::2::3", "12345::", ":1", "1:2:3:4:5:6:7:8:9"}},
      {"uri",
       {"http://example.org", "https://a.b:80/c/d?e=f#g", "urn:isbn:123", "file:///tmp/x"},
       {"example.org", "http://", "http://a b", "://x", "a:"}},
      {"hostname", {"localhost", "a.b-c.d"}, {"-a", "a..b", "a_b", ""}},
      {"duration", {"P1D", "P1Y2M3D", "PT5M", "P1DT2H", "P2W"}, {"P", "PT", "1D", "P1", "P1H"}},
      {"json-pointer", {"", "/a/b~0c"}, {"a", "/~2"}},
  };
  for (const Case& one : cases) {
    const std::string schema =
        std::string(R"({"type": "string", "format": ")") + one.format + "\"}";
    for (const char* text : one.good) {
      EXPECT_TRUE(accepts(schema, "\"" + std::string(text) + "\"")) << one.format << " " << text;
    }
    for (const char* text : one.bad) {
      EXPECT_FALSE(accepts(schema, "\"" + std::string(text) + "\"")) << one.format << " " << text;
    }
  }
}

TEST(StringFormats, DemandNothingWhereTheyCannotBeKept) {
  // Unknown; none of a text's; beside a list of values; against the pattern beside it.
  EXPECT_TRUE(accepts(R"({"type": "string", "format": "colour"})", "\"x\""));
  EXPECT_TRUE(accepts(R"({"type": "integer", "format": "int32"})", "5"));
  EXPECT_TRUE(accepts(R"({"enum": ["x"], "format": "date"})", "\"x\""));
  const char* apart = R"({"type": "string", "format": "date", "pattern": "^x$"})";
  EXPECT_TRUE(accepts(apart, "\"x\""));
  const char* both = R"({"type": "string", "format": "date", "pattern": "^2024"})";
  EXPECT_TRUE(accepts(both, "\"2024-01-01\""));
  EXPECT_FALSE(accepts(both, "\"2023-01-01\""));
}

}  // namespace
}  // namespace lazyllm::grammar
