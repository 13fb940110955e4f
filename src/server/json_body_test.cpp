// SPDX-License-Identifier: Apache-2.0
#include "server/json_body.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/request_refusal_for_tests.h"

namespace lazyllm::server {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

std::string refusal_of_body(const std::string& body) {
  return refusal_of([&] { parse_body(body); });
}

TEST(ParseBody, TakesAnObject) {
  EXPECT_EQ(parse_body(R"({"b": 1, "a": [true, null, "\u00e9"]})").dump(),
            "{\"b\":1,\"a\":[true,null,\"\u00e9\"]}");
}

TEST(ParseBody, RefusesWhatIsNotJson) {
  for (const std::string body : {"", "{", "{\"a\":}", "{\"a\":NaN}", "{\"a\":Infinity}",
                                 "{\"a\":1e999}", "{\"a\":1,}", "{'a':1}", "{} {}"}) {
    EXPECT_THAT(refusal_of_body(body), StartsWith("400 invalid_json -: the body is not valid JSON"))
        << body;
  }
  EXPECT_THAT(refusal_of_body("[1]"), HasSubstr("must be a JSON object"));
  EXPECT_THAT(refusal_of_body("{\"a\":\"\xff\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal_of_body(R"({"a":"\ud800"})"), StartsWith("400 invalid_json"));
  const std::string long_text = refusal_of_body("{\"a\":" + std::string(100000, 'x') + "}");
  EXPECT_LT(long_text.size(), 500u) << "the refusal does not repeat the body";
}

TEST(ParseBody, BoundsDepthNamesAndValues) {
  const std::string deep = std::string(100000, '[');
  EXPECT_THAT(refusal_of_body("{\"a\":" + deep), HasSubstr("nests deeper"));
  std::string many = "{";
  for (int i = 0; i < 30000; ++i) many += "\"k" + std::to_string(i) + "\":0,";
  many.back() = '}';
  EXPECT_THAT(refusal_of_body(many), HasSubstr("more than"));
  std::string list = "{\"a\":[0";
  for (int i = 0; i < 2000000; ++i) list += ",0";
  EXPECT_THAT(refusal_of_body(list + "]}"), HasSubstr("more than"));
}

TEST(Fields, ChecksTypesAndRanges) {
  const Json json = parse_body(R"({"t": "text", "n": 1.5, "i": 7, "f": 3.0, "b": true, "z": null,
      "o": {"x": "y"}, "big": 18446744073709551615, "neg": -3})");
  const Fields fields(json);
  EXPECT_EQ(fields.text("t"), "text");
  EXPECT_EQ(fields.number("n", 0, 2), 1.5);
  EXPECT_EQ(fields.integer("i", 0, 10), 7);
  EXPECT_EQ(fields.integer("f", 0, 10), 3) << "3.0 is an integer in JSON's eyes";
  EXPECT_EQ(fields.boolean("b"), true);
  EXPECT_EQ(fields.text("z"), std::nullopt) << "null is absent";
  EXPECT_EQ(fields.text("missing"), std::nullopt);
  EXPECT_EQ(fields.integer("neg", -5, 5), -3);
  EXPECT_EQ(refusal_of([&] { fields.integer("n", 0, 10); }),
            "400 invalid_value n: n is 1.5 but must be an integer in 0 to 10");
  EXPECT_THAT(refusal_of([&] { fields.integer("big", 0, 10); }), HasSubstr("18446744073709551615"));
  EXPECT_EQ(refusal_of([&] { fields.number("t", 0, 1); }),
            "400 invalid_type t: t must be a number, not string");
  EXPECT_THAT(refusal_of([&] { fields.number("i", 0, 1); }), HasSubstr("must lie in 0 to 1"));
  EXPECT_THAT(refusal_of([&] { fields.boolean("i"); }), StartsWith("400 invalid_type"));
  EXPECT_THAT(refusal_of([&] { fields.array("o"); }), StartsWith("400 invalid_type"));
  EXPECT_THAT(refusal_of([&] { fields.object("o")->number("x", 0, 1); }),
              StartsWith("400 invalid_type o.x"));
  EXPECT_THAT(refusal_of([&] { fields.require("z"); }),
              StartsWith("400 missing_required_parameter z"));
}

TEST(RequestError, SaysNothingOfTheInside) {
  EXPECT_EQ(to_request_error(std::runtime_error("secret")).status(), 500);
  EXPECT_EQ(std::string(to_request_error(std::runtime_error("secret")).what()).find("secret"),
            std::string::npos);
  EXPECT_EQ(to_request_error(Error(ErrorCode::context_full, "x")).code(),
            "context_length_exceeded");
  EXPECT_EQ(to_request_error(Error(ErrorCode::overloaded, "x")).status(), 503);
  EXPECT_EQ(to_request_error(std::bad_alloc()).status(), 503);
}

}  // namespace
}  // namespace lazyllm::server
