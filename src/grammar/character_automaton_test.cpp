// SPDX-License-Identifier: Apache-2.0
#include "grammar/character_automaton.h"

#include <gtest/gtest.h>

#include <random>
#include <regex>
#include <string>

#include "grammar/pattern.h"
#include "lazyllm/error.h"

namespace lazyllm::grammar {
namespace {

CharacterAutomaton automaton(const std::string& pattern) {
  PatternBudget budget;
  return CharacterAutomaton::containing(parse_pattern(pattern, budget), budget);
}

bool accepts(const CharacterAutomaton& automaton, const std::u32string& text) {
  int32_t state = automaton.start();
  for (const char32_t c : text) {
    if (state == CharacterAutomaton::kDead) return false;
    state = automaton.next(state, c);
  }
  return state != CharacterAutomaton::kDead && automaton.accepts(state);
}

std::string random_pattern(std::mt19937& random, int depth) {
  static const std::vector<std::string> kAtoms = {
      "a", "b", "c", ".", "[ab]", "[^ab]", "[b-d]", "\\d", "\\w", "\\s", "\\.", "[\\d_-]", "1"};
  const auto part = [&] { return random_pattern(random, depth - 1); };
  switch (depth == 0 ? 0 : random() % 8) {
    case 1:
    case 2:
      return part() + part();
    case 3:
      return "(" + part() + "|" + part() + ")";
    case 4:
      return "(?:" + part() + ")*";
    case 5:
      return "(" + part() + "){1,3}";
    case 6:
      return "(" + part() + ")+?";
    case 7:
      return "(" + part() + ")?";
    default:
      return kAtoms[random() % kAtoms.size()];
  }
}

TEST(CharacterAutomaton, AgreesWithTheStandardLibrary) {
  std::mt19937 random(1);
  const std::string alphabet = "abcd1_. -\n";
  int matches = 0;
  for (int round = 0; round < 400; ++round) {
    const std::string pattern =
        (random() % 3 == 0 ? "^" : "") + random_pattern(random, 3) + (random() % 3 == 0 ? "$" : "");
    const std::regex expected(pattern);
    const CharacterAutomaton found = automaton(pattern);
    for (int i = 0; i < 40; ++i) {
      std::string text;
      for (size_t length = random() % 7; length > 0; --length) {
        text += alphabet[random() % alphabet.size()];
      }
      const bool matched = std::regex_search(text, expected);
      matches += matched;
      ASSERT_EQ(accepts(found, std::u32string(text.begin(), text.end())), matched)
          << pattern << " on " << text;
    }
  }
  EXPECT_GT(matches, 2000);
}

TEST(CharacterAutomaton, KnowsWhichRangesContinue) {
  const CharacterAutomaton letters = automaton("^[a-f]x$");
  EXPECT_TRUE(letters.continues(letters.start(), 'e', 'z'));
  EXPECT_FALSE(letters.continues(letters.start(), 'g', kLastCharacter));
  const int32_t end = letters.next(letters.next(letters.start(), 'a'), 'x');
  EXPECT_TRUE(letters.accepts(end));
  EXPECT_FALSE(letters.continues(end, 0, kLastCharacter));
  EXPECT_EQ(automaton("a^b").start(), CharacterAutomaton::kDead);
}

TEST(CharacterAutomaton, CountsCharactersBesideThePattern) {
  PatternBudget budget;
  const auto both = CharacterAutomaton::both(automaton("^(ab)*$"),
                                             CharacterAutomaton::of_length(3, 5, budget), budget);
  EXPECT_TRUE(accepts(both, U"abab"));
  EXPECT_FALSE(accepts(both, U"ab"));
  EXPECT_FALSE(accepts(both, U"ababab"));
  const int32_t state = both.next(both.next(both.start(), 'a'), 'b');
  EXPECT_FALSE(both.accepts(state));
  // After abab nothing may follow: six characters are too many.
  EXPECT_FALSE(both.continues(both.next(both.next(state, 'a'), 'b'), 0, kLastCharacter));
}

TEST(CharacterAutomaton, UnderstandsClassesAsEverybodyDoes) {
  EXPECT_TRUE(accepts(automaton("^\\d$"), U"7"));
  EXPECT_FALSE(accepts(automaton("^\\d$"), U"\u0663"));  // a digit for Python only
  EXPECT_FALSE(accepts(automaton("^\\D$"), U"\u0663"));
  EXPECT_TRUE(accepts(automaton("^\\D$"), U"é"));
  EXPECT_FALSE(accepts(automaton("^[^\\w]$"), U"é"));
  EXPECT_TRUE(accepts(automaton("^\\S$"), U"é"));
  EXPECT_FALSE(accepts(automaton("^\\S$"), U"\u00a0"));
  EXPECT_FALSE(accepts(automaton("^.$"), U"\u2028"));
  EXPECT_TRUE(accepts(automaton("^\\ud83d\\ude42$"), U"\U0001F642"));
}

TEST(CharacterAutomaton, RefusesWhatItCannotHonour) {
  for (const char* pattern : {"(?=a)", "\\1", "\\bword", "(a", "a)", "[a", "a{2", "*", "a{3,2}",
                              "[z-a]", "\\p{L}", "\\ud800", "a\\", "^*", "(?<=a)b"}) {
    EXPECT_THROW(automaton(pattern), Error) << pattern;
  }
  for (const char* pattern : {"(a|b)*a(a|b){30}", "((a{1000}){1000}){1000}"}) {
    EXPECT_THROW(automaton(pattern), Error) << pattern;
  }
}

}  // namespace
}  // namespace lazyllm::grammar
