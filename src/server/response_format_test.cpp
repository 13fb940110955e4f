// SPDX-License-Identifier: Apache-2.0
#include "server/response_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/request_refusal_for_tests.h"

namespace lazyllm::server {
namespace {

using testing::HasSubstr;

bool has_form(const std::string& body) {
  const Json json = parse_body(body);
  return static_cast<bool>(parse_answer_form(Fields(json), nullptr));
}

std::string refusal(const std::string& body) {
  return refusal_of([&] { has_form(body); });
}

TEST(ResponseFormat, FindsTheFormInAllItsFields) {
  for (const char* body :
       {R"({"response_format": {"type": "json_object"}})",
        R"({"response_format": {"type": "json_object", "schema": {"type": "object"}}})",
        R"({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}})",
        R"({"response_format": {"type": "json_schema", "schema": {}}})",
        R"({"json_schema": {"type": "object"}})", R"({"json_schema": {}})",
        R"({"guided_json": {"type": "object"}})", R"({"guided_json": "{}"})",
        R"({"structured_outputs": {"json": {"type": "object"}}})",
        R"({"structured_outputs": {"json_object": true}})"}) {
    EXPECT_TRUE(has_form(body)) << body;
  }
  for (const char* body : {"{}", R"({"response_format": {"type": "text"}})", R"({"grammar": ""})",
                           R"({"json_schema": null})", R"({"structured_outputs": {}})"}) {
    EXPECT_FALSE(has_form(body)) << body;
  }
}

TEST(ResponseFormat, RefusesWhatIsNone) {
  EXPECT_THAT(refusal(R"({"response_format": {"type": "xml"}})"), HasSubstr("unknown"));
  EXPECT_THAT(refusal(R"({"response_format": {"type": "json_schema"}})"), HasSubstr("missing"));
  EXPECT_THAT(refusal(R"({"guided_json": 5})"), HasSubstr("guided_json must be a JSON schema"));
  EXPECT_THAT(refusal(R"({"guided_choice": []})"), HasSubstr("guided_choice"));
  EXPECT_THAT(refusal(R"({"structured_outputs": {"choice": "a"}})"),
              HasSubstr("structured_outputs.choice"));
  EXPECT_THAT(refusal(R"x({"guided_regex": "a(?=b)"})x"),
              HasSubstr("invalid_grammar guided_regex"));
  EXPECT_THAT(refusal(R"({"grammar": "root ::= x"})"), HasSubstr("invalid_grammar grammar"));
  EXPECT_THAT(
      refusal(R"({"response_format": {"type": "json_object"}, "json_schema": {"type": "object"}})"),
      HasSubstr("response_format and json_schema"));
}

}  // namespace
}  // namespace lazyllm::server
