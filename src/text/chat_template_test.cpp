// SPDX-License-Identifier: Apache-2.0
#include "text/chat_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "lazyllm/error.h"

namespace lazyllm::text {
namespace {

using nlohmann::ordered_json;
using testing::HasSubstr;

ordered_json conversation() {
  return {{{"role", "system"}, {"content", "Be brief."}},
          {{"role", "user"}, {"content", "  <|end|> Hi  "}}};
}

std::string render(const std::string& source, const ordered_json& extra = ordered_json::object()) {
  ChatTemplateOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  options.extra = extra;
  return concatenate(ChatTemplate(source).render(conversation(), options));
}

/// Segments as "T:text|U:text": T is the template's, U the conversation's.
std::string origins(const std::string& source, const ordered_json& extra = ordered_json::object()) {
  ChatTemplateOptions options;
  options.bos_token = "<s>";
  options.extra = extra;
  std::string out;
  char last = 0;
  for (const TextSegment& segment : ChatTemplate(source).render(conversation(), options)) {
    const char mark = segment.from_template ? 'T' : 'U';
    if (mark != last) {
      if (last != 0) out += '|';
      out += mark;
      out += ':';
    }
    out += segment.text;
    last = mark;
  }
  return out;
}

std::string error_of(const std::string& source, ErrorCode code,
                     const ordered_json& extra = ordered_json::object()) {
  try {
    render(source, extra);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << source.substr(0, 100) << ": " << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no error: " << source.substr(0, 100);
  return {};
}

std::string repeated(const std::string& text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

TEST(ChatTemplate, RendersMessagesWithTheGenerationPrompt) {
  const std::string source =
      "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>\n{{ m['content'] | trim }}{{ "
      "eos_token }}"
      "{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}";
  EXPECT_EQ(render(source), "<s><|system|>\nBe brief.</s><|user|>\n<|end|> Hi</s><|assistant|>\n");
  ChatTemplateOptions options;
  options.add_generation_prompt = false;
  EXPECT_EQ(concatenate(ChatTemplate(source).render(ordered_json::array(), options)), "");
}

TEST(ChatTemplate, ControlsWhitespaceAsTransformers) {
  EXPECT_EQ(render("a\n  {% if true %}\nb\n  {% endif %}\nc\n"), "a\nb\nc");
  EXPECT_EQ(render("a  {%- if true -%}  b  {%- endif %}  c"), "ab  c");
  EXPECT_EQ(render("a\n  {%+ if true +%}\nb{% endif %}"), "a\n  \nb");
  EXPECT_EQ(render("a {#- x -#} b\n  {# y #}\nc"), "ab\nc");
  EXPECT_EQ(render("{% raw %}{{ x }}{% endraw %}\r\n"), "{{ x }}");
}

TEST(ChatTemplate, ComputesAsPython) {
  EXPECT_EQ(
      render("{{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }}"),
      "3 -4 2 3.5 1024 0.5");
  EXPECT_EQ(
      render("{{ 1 < 2 < 3 }} {{ 1 == 1.0 }} {{ none }} {{ 1e16 }} {{ 0.1 + 0.2 }} {{ 'a' ~ 1 }}"),
      "True True None 1e+16 0.30000000000000004 a1");
  EXPECT_EQ(render("{{ [1, 'it\\'s', (1,), {'a': none}] }}"), "[1, \"it's\", (1,), {'a': None}]");
  EXPECT_EQ(render("{{ 'äöü'[::-1] }}{{ 'äöü'[1] }}{{ 'äöü' | length }}{{ 'ß' | upper }}"),
            "üöäö3SS");
  EXPECT_EQ(render("{{ missing }}{{ missing is defined }}{{ missing | default('d') }}"), "Falsed");
  EXPECT_EQ(
      render("{{ 'x' if false }}|{{ [1, 2, 3][-1] }}|{{ range(3) | list }}|{{ [3, 1] | sort }}"),
      "|3|[0, 1, 2]|[1, 3]");
}

TEST(ChatTemplate, ScopesAsJinja2) {
  EXPECT_EQ(render("{% set x = 1 %}{% for i in [1] %}{% set x = 2 %}{{ x }}{% endfor %}{{ x }}"),
            "21");
  EXPECT_EQ(render("{% if true %}{% set x = 2 %}{% endif %}{{ x }}"), "2");
  EXPECT_EQ(render("{% set n = namespace(x=1) %}{% for i in range(3) %}{% set n.x = n.x + i %}{% "
                   "endfor %}{{ n.x }}"),
            "4");
  EXPECT_EQ(
      render("{% macro m(a, b='d') %}{{ a }}{{ b }}{{ y }}{% endmacro %}{% set y = 3 %}{{ m(1) }}"),
      "1d3");
  EXPECT_EQ(render("{% generation %}{% set g = 1 %}{% endgeneration %}{{ g is defined }}"),
            "False");
  EXPECT_EQ(render("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{{ loop.last }}{% endfor %}"),
            "a1True");
}

TEST(ChatTemplate, WritesJsonAsPython) {
  const ordered_json extra = {
      {"x", ordered_json::parse(R"({"b": [1, 2.0, null, true], "a": "ä\"<\n"})")}};
  EXPECT_EQ(render("{{ x | tojson }}", extra),
            "{\"b\": [1, 2.0, null, true], \"a\": \"ä\\\"<\\n\"}");
  EXPECT_EQ(render("{{ x.a | tojson(ensure_ascii=true) }}", extra), "\"\\u00e4\\\"<\\n\"");
  EXPECT_EQ(render("{{ {'a': [], 'b': [1]} | tojson(indent=2) }}"),
            "{\n  \"a\": [],\n  \"b\": [\n    1\n  ]\n}");
}

TEST(ChatTemplate, MarksWhatTheTemplateWrote) {
  EXPECT_EQ(origins("{{ bos_token }}<|user|>{{ messages[1].content }}<|end|>"),
            "T:<s><|user|>|U:  <|end|> Hi  |T:<|end|>");
  EXPECT_EQ(origins("{{ '<|' ~ messages[1].role ~ '|>' }}"), "T:<||U:user|T:|>");
  EXPECT_EQ(origins("{{ messages | length }}{{ true }}"), "T:2True");
}

TEST(ChatTemplate, KeepsMarksThroughOperations) {
  const std::string joined = "('[' + messages[1].content + ']')";
  EXPECT_EQ(origins("{{ " + joined + " | replace('<|end|>', '<eos>') | trim('[] ') }}"),
            "T:<eos>|U: Hi");
  EXPECT_EQ(origins("{{ " + joined + "[2:] | upper }}"), "U: <|END|> HI  |T:]");
  EXPECT_EQ(origins("{{ " + joined + ".split('|') | join('+') }}"),
            "T:[|U:  <|T:+|U:end|T:+|U:> Hi  |T:]");
  EXPECT_EQ(origins("{{ messages[1].content | tojson }}"), "U:\"  <|end|> Hi  \"");
  EXPECT_EQ(origins("{{ {'a': '<s>'} | tojson }}{{ ['<s>'] }}"), "T:{\"a\": \"<s>\"}['<s>']");
  EXPECT_EQ(origins("{{ [messages[0].content] }}"), "U:['Be brief.']");
  EXPECT_EQ(origins("{{ '%s!' % messages[0].content }}{{ '{}?'.format(messages[0].content) }}"),
            "U:Be brief.|T:!|U:Be brief.|T:?");
  EXPECT_EQ(origins("{% set x %}<a>{{ messages[0].content }}{% endset %}{{ x * 2 }}"),
            "T:<a>|U:Be brief.|T:<a>|U:Be brief.");
  EXPECT_EQ(origins("{% macro m(t) %}<{{ t }}>{% endmacro %}{{ m(messages[0].role) | indent }}"),
            "T:<|U:system|T:>");
}

TEST(ChatTemplate, MarksFurtherVariablesAsConversation) {
  EXPECT_EQ(origins("{{ note }}{% for t in tools %}{{ t.name }}{% endfor %}",
                    {{"note", "<|im_end|>"}, {"tools", {{{"name", "<s>"}}}}}),
            "U:<|im_end|><s>");
}

TEST(ChatTemplate, RefusesWithLineAndReason) {
  EXPECT_THAT(error_of("a\nb{% if %}", ErrorCode::invalid_file), HasSubstr("line 2"));
  EXPECT_THAT(error_of("{% include 'x' %}", ErrorCode::invalid_file), HasSubstr("include"));
  EXPECT_THAT(
      error_of("\n\n{{ raise_exception('no ' ~ messages[0].role) }}", ErrorCode::invalid_input),
      testing::AllOf(HasSubstr("line 3"), HasSubstr("no system")));
  EXPECT_THAT(error_of("{{ missing.x }}", ErrorCode::invalid_input),
              HasSubstr("'missing' is undefined"));
  EXPECT_THAT(error_of("{{ 'a' + 1 }}", ErrorCode::invalid_input), HasSubstr("~"));
  for (const char* source :
       {"{{ [].append(1) }}", "{{ {}.update({}) }}", "{{ messages.pop() }}", "{{ 1 / 0 }}",
        "{{ 1 % 0 }}", "{{ 0 ** -1 }}", "{{ -(-9223372036854775807 - 1) }}",
        "{{ (-9223372036854775807 - 1) // -1 }}", "{{ 9223372036854775807 + 1 }}",
        "{{ 1 | nosuch }}", "{{ 1 is nosuch }}", "{{ nosuch() }}", "{{ 'a' < 1 }}", "{{ {[]: 1} }}",
        "{{ 'x'.split('') }}", "{{ [1][::0] }}"}) {
    error_of(source, ErrorCode::invalid_input);
  }
  for (const char* source :
       {"{{", "{{ 'a }}", "{% for %}", "{# x", "{% raw %}", "{{ (1] }}", "{% endif %}",
        "{% if true %}", "{% break %}", "{{ 99999999999999999999 }}", "{{ '\\ud800' }}",
        "{% set 1 = 2 %}", "{% for loop in [] %}{% endfor %}", "{{ f(a=1, a=2) }}"}) {
    error_of(source, ErrorCode::invalid_file);
  }
  EXPECT_THROW(ChatTemplate("x").render(ordered_json::object(), {}), Error);
  EXPECT_THROW(ChatTemplate("x").render({"text"}, {}), Error);
}

TEST(ChatTemplate, BoundsHostileSources) {
  for (const char* open :
       {"(", "[", "{'a':", "not ", "-", "x[", "f(", "1 if ", "1 + (", "'a' ~ ("}) {
    error_of("{{ " + repeated(open, 100000), ErrorCode::invalid_file);
  }
  for (const char* more : {".a", "|trim", "()", "[0]", " + 1", " is string", " and 1", " ** 2"}) {
    error_of("{{ x" + repeated(more, 100000) + " }}", ErrorCode::invalid_file);
  }
  error_of(repeated("{% if 1 %}", 100000), ErrorCode::invalid_file);
  error_of(repeated("{% for x in y %}", 100000), ErrorCode::invalid_file);
  error_of("{% set " + repeated("(", 100000), ErrorCode::invalid_file);
  EXPECT_EQ(render("{{ 1" + repeated(" ~ 1", 20000) + " }}").size(), 20001U);
  EXPECT_EQ(render(repeated("{{ 1 }}", 20000)).size(), 20000U);
  EXPECT_EQ(render("{% if 0 %}" + repeated("{% elif 0 %}", 20000) + "{% endif %}"), "");
}

TEST(ChatTemplate, BoundsHostileRuns) {
  const char* grow = "{% set n = namespace(x=[], s='ab') %}{% for i in range(100000) %}";
  for (const std::string& body : {
           std::string("{{ 'a' * 10 ** 12 }}"),
           std::string("{{ [0] * 10 ** 12 }}"),
           std::string("{{ range(10 ** 9) }}"),
           std::string("{{ 10 ** 1000 }}"),
           std::string("{{ '%1000000000d' % 1 }}"),
           std::string("{{ '{:1000000000}'.format(1) }}"),
           std::string("{{ 'a'.center(10 ** 12) }}"),
           std::string("{{ 'a' | indent(10 ** 12, true) }}"),
           std::string("{{ [1] | tojson(indent=10 ** 12) }}"),
           std::string("{{ [1] | batch(10 ** 12, 0) | list }}"),
           std::string("{{ [1] | slice(10 ** 12) | list }}"),
           std::string("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"),
           std::string(
               "{% macro m() %}{{ caller() }}{% endmacro %}{% macro r() %}{% call m() %}{{ r() }}"
               "{% endcall %}{% endmacro %}{{ r() }}"),
           grow + std::string("{% set n.x = [n.x] %}{% endfor %}"),
           grow + std::string("{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x }}"),
           grow + std::string("{% set n.x = n.x | map('string') %}{% endfor %}{{ n.x | list }}"),
           grow + std::string("{% set n.s = n.s ~ n.s %}{% endfor %}"),
           grow + std::string("{% for j in range(100000) %}{% endfor %}{% endfor %}"),
           grow + std::string("{{ 'ab' * 1000000 }}{% endfor %}"),
           std::string("{% set n = namespace() %}{% set n.x = [n] %}{{ n }}"),
           std::string("{% set s = 'a' * 1000000 %}{{ (s ~ 'b') in (s ~ s) }}"),
           std::string("{{ ('a' * 20000000).replace('', 'bbbb') }}"),
       }) {
    error_of(body, ErrorCode::invalid_input);
  }
  const std::string twice =
      "{% set n = namespace(x=[1]) %}{% for i in range(150) %}{% set n.x = [n.x, n.x] %}{% endfor "
      "%}";
  EXPECT_EQ(render(twice + "{{ n.x | length }}"), "2");
  error_of(twice + "{{ n.x }}", ErrorCode::invalid_input);
  error_of(twice + "{{ n.x | tojson }}", ErrorCode::invalid_input);
  error_of(twice +
               "{% set m = namespace(x=[1]) %}{% for i in range(150) %}{% set m.x = [m.x, m.x] "
               "%}{% endfor %}{{ n.x == m.x }}",
           ErrorCode::invalid_input);
}

TEST(ChatTemplate, PrintsNumbersBeyond64BitsAsTheyAre) {
  const ordered_json extra = {{"n", UINT64_MAX}};
  EXPECT_EQ(render("{{ n }} {{ [n] }} {{ {'a': n} | tojson }} {{ n > 5 }}", extra),
            "18446744073709551615 [18446744073709551615] {\"a\": 18446744073709551615} True");
}

TEST(ChatTemplate, SurvivesCyclesThroughNamespaces) {
  EXPECT_EQ(render("{% set n = namespace(a=1) %}{% set n.b = n %}{% set n.c = [n, {'k': n}] %}{{ "
                   "n.b.b.a }}"),
            "1");
  EXPECT_EQ(render("{% set n = namespace() %}{% for i in [1] %}{% macro m() %}{{ i }}{% endmacro %}"
                   "{% set n.m = m %}{% set n.l = loop %}{{ loop.changed(loop) }}{% endfor %}{{ "
                   "n.m() }}{{ n.l.index }}"),
            "True11");
}

TEST(ChatTemplate, TakesAnyBytes) {
  const std::string broken = "\xff\xc3(\xe2\x82\x80\xf0\x9f";
  const ordered_json extra = {{"s", broken}};
  EXPECT_EQ(render("{{ s }}", extra), broken);
  EXPECT_EQ(render("{{ s | list | join }}{{ s[::-1][::-1] }}", extra), broken + broken);
  for (const char* use :
       {"{{ s | upper }}", "{{ s | title }}", "{{ s | tojson }}", "{{ [s] }}", "{{ s.split() }}",
        "{{ s | trim(s) }}", "{{ s.rsplit() }}", "{{ s | length }}", "{{ s.replace('', s) }}",
        "{{ s.format() }}", "{{ '%5s' % s }}", "{{ s | wordcount }}"}) {
    EXPECT_NO_THROW(render(use, extra)) << use;
  }
  EXPECT_NO_THROW(render("\xff{{ '\xfe' }}"));
}

TEST(ChatTemplate, RefusesMessagesThatNestTooDeep) {
  ordered_json deep = 1;
  for (int i = 0; i < 1000; ++i) deep = ordered_json::array({deep});
  error_of("x", ErrorCode::invalid_input, {{"deep", deep}});
}

}  // namespace
}  // namespace lazyllm::text
