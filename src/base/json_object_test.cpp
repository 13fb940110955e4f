// SPDX-License-Identifier: Apache-2.0
#include "base/json_object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "lazyllm/error.h"

namespace lazyllm {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_file);
    return error.what();
  }
  return "";
}

TEST(JsonObject, ReadsWhatIsThere) {
  const nlohmann::json json = {{"n", 3}, {"x", 0.5}, {"list", {1, 2.5}}, {"none", nullptr}};
  const JsonObject object(json, "f.json");
  EXPECT_EQ(object.integer("n", 0, 9), 3);
  EXPECT_EQ(object.require(object.real("x"), "x"), 0.5);
  EXPECT_THAT(object.reals("list"), ElementsAre(1.0, 2.5));
  EXPECT_THAT(object.reals("absent"), IsEmpty());
  EXPECT_FALSE(object.text("none").has_value());
}

TEST(JsonObject, NamesPlaceKeyAndAdvice) {
  const nlohmann::json json = {{"inner", {{"list", {1, "two"}}}}, {"n", "three"}};
  const JsonObject object(json, "f.jsonl:7", "", "correct the line");
  EXPECT_EQ(refusal([&] { object.integer("n", 0, 9); }),
            "f.jsonl:7: \"n\" is not an integer; correct the line");
  EXPECT_EQ(refusal([&] { object.require(object.text("absent"), "absent"); }),
            "f.jsonl:7: \"absent\" is missing; correct the line");
  const JsonObject inner = object.require(object.object("inner"), "inner");
  EXPECT_THAT(
      refusal([&] { inner.reals("list"); }),
      AllOf(HasSubstr("\"inner.list\" is not a list of numbers"), HasSubstr("correct the line")));
}

}  // namespace
}  // namespace lazyllm
