// SPDX-License-Identifier: Apache-2.0
#include "grammar/string_formats.h"

#include <fmt/format.h>

namespace lazyllm::grammar {
namespace {

// From year 1000 on: some readers know no earlier ones.
constexpr std::string_view kDate =
    "(?:[1-9][0-9]{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|"
    "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|"
    "(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)-02-29)";
constexpr std::string_view kTime =
    "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?"
    "(?:Z|[+\\-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
constexpr std::string_view kLabel = "[A-Za-z0-9](?:[A-Za-z0-9\\-]{0,20}[A-Za-z0-9])?";
constexpr std::string_view kByte = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])";

std::string ipv6() {
  constexpr std::string_view kGroup = "[0-9a-fA-F]{1,4}";
  std::string result = fmt::format("(?:{0}:){{7}}{0}|(?:{0}:){{1,7}}:|:(?::{0}){{1,7}}|::", kGroup);
  for (int before = 1; before <= 6; ++before) {  // groups before ::, and at most so many behind it
    result += fmt::format("|(?:{0}:){{{1}}}(?::{0}){{1,{2}}}", kGroup, before, 7 - before);
  }
  return result;
}

std::string uri() {
  constexpr std::string_view kCharacter =
      "(?:[A-Za-z0-9._~!$&'()*+,;=:@\\-]|%[0-9A-Fa-f][0-9A-Fa-f])";
  const std::string host = fmt::format("{0}(?:\\.{0}){{0,5}}(?::[1-9][0-9]{{0,3}})?", kLabel);
  return fmt::format(
      "[A-Za-z][A-Za-z0-9+.\\-]{{0,15}}:(?://{0}(?:/{1}*)*|//(?:/{1}*)+|{1}+)(?:\\?(?:{1}|[/?])*)?"
      "(?:#(?:{1}|[/?])*)?",
      host, kCharacter);
}

std::string duration() {
  const std::string number = "[0-9]{1,4}";
  const std::string day = number + "D", month = fmt::format("{0}M(?:{1})?", number, day);
  const std::string date = fmt::format("(?:{0}|{1}|{2}Y(?:{1})?)", day, month, number);
  const std::string second = number + "S", minute = fmt::format("{0}M(?:{1})?", number, second);
  const std::string time = fmt::format("T(?:{0}|{1}|{2}H(?:{1})?)", second, minute, number);
  return fmt::format("P(?:{0}(?:{1})?|{1}|{2}W)", date, time, number);
}

}  // namespace

std::string pattern_of_format(std::string_view format) {
  const auto whole = [](std::string_view pattern) { return fmt::format("^(?:{})$", pattern); };
  if (format == "date") return whole(kDate);
  if (format == "time") return whole(kTime);
  if (format == "date-time") return whole(fmt::format("{}T{}", kDate, kTime));
  if (format == "duration") return whole(duration());
  if (format == "email" || format == "idn-email") {
    return whole(
        fmt::format("{0}{{1,20}}(?:\\.{0}{{1,20}}){{0,2}}@(?:{1}\\.){{1,4}}[A-Za-z]{{2,10}}",
                    "[A-Za-z0-9_+\\-]", kLabel));
  }
  if (format == "hostname" || format == "idn-hostname") {
    return whole(fmt::format("{0}(?:\\.{0}){{0,7}}", kLabel));
  }
  if (format == "uuid") {
    return whole("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}");
  }
  if (format == "ipv4") return whole(fmt::format("{0}(?:\\.{0}){{3}}", kByte));
  if (format == "ipv6") return whole(ipv6());
  if (format == "uri" || format == "iri") return whole(uri());
  if (format == "json-pointer") return whole("(?:/(?:[^~/]|~[01])*)*");
  return {};
}

}  // namespace lazyllm::grammar
