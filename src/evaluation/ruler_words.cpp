// SPDX-License-Identifier: Apache-2.0
#include "evaluation/ruler_words.h"

#include <iterator>

namespace lazyllm::evaluation {
namespace {

constexpr const char* kAdjectives[] = {
    "agile",   "amber",  "ancient", "bitter",  "blunt",  "bold",    "brave",   "brief",  "bright",
    "broad",   "calm",   "candid",  "careful", "cheap",  "chilly",  "clean",   "clever", "cloudy",
    "coarse",  "crisp",  "curious", "daring",  "dense",  "distant", "dusty",   "eager",  "early",
    "elegant", "empty",  "faint",   "famous",  "fancy",  "fierce",  "foggy",   "formal", "fragile",
    "frosty",  "gentle", "giant",   "glossy",  "golden", "grand",   "hasty",   "hollow", "honest",
    "humble",  "idle",   "jolly",   "keen",    "lively", "lonely",  "loud",    "loyal",  "mellow",
    "misty",   "modest", "narrow",  "noble",   "noisy",  "patient", "plain",   "polite", "proud",
    "quick",   "quiet",  "rapid",   "rustic",  "salty",  "scarce",  "shallow", "sharp",  "shiny",
    "silent",  "sleepy", "slender", "smooth",  "solid",  "spare",   "steady",  "stern",  "sturdy",
    "subtle",  "sunny",  "swift",   "tender",  "timid",  "tiny",    "vague",   "vivid",  "wooden"};

constexpr const char* kNouns[] = {
    "acorn",   "almond",  "apron",   "arrow",  "badge",  "bakery",   "barrel",  "basket",
    "beetle",  "bishop",  "blanket", "bottle", "bridge", "bucket",   "button",  "cabin",
    "camel",   "candle",  "carpet",  "castle", "cedar",  "chapel",   "cherry",  "chisel",
    "cliff",   "clover",  "cobbler", "comet",  "coral",  "cottage",  "cradle",  "cricket",
    "curtain", "dagger",  "desert",  "donkey", "dragon", "easel",    "elbow",   "engine",
    "feather", "ferry",   "fiddle",  "flute",  "forest", "fountain", "garlic",  "gazelle",
    "ginger",  "glove",   "goblet",  "hammer", "hamlet", "hatchet",  "helmet",  "heron",
    "island",  "ivory",   "jacket",  "jungle", "kettle", "kitchen",  "ladder",  "lemon",
    "lizard",  "magnet",  "marble",  "market", "mirror", "monkey",   "mustard", "napkin",
    "needle",  "oyster",  "paddle",  "parrot", "pebble", "pepper",   "pigeon",  "pillow",
    "planet",  "pocket",  "puzzle",  "quarry", "rabbit", "ribbon",   "river",   "rocket",
    "saddle",  "sailor",  "salmon",  "scarf",  "shovel", "spider",   "sponge",  "squirrel",
    "stable",  "statue",  "sugar",   "summit", "tailor", "temple",   "ticket",  "tiger",
    "tomato",  "trumpet", "tunnel",  "turtle", "valley", "village",  "violet",  "wagon",
    "walrus",  "weasel",  "whistle", "window", "winter", "wizard",   "yogurt",  "zebra"};

constexpr const char* kVerbs[] = {
    "absorb",   "admire",  "arrange", "assist",  "attend",  "balance",  "behave",   "borrow",
    "collect",  "compare", "decide",  "deliver", "depend",  "describe", "divide",   "embrace",
    "enjoy",    "escape",  "explain", "follow",  "forgive", "gather",   "hesitate", "imagine",
    "improve",  "invite",  "juggle",  "listen",  "measure", "notice",   "observe",  "obtain",
    "perform",  "pretend", "promise", "protect", "publish", "receive",  "recover",  "refuse",
    "remind",   "repair",  "replace", "rescue",  "search",  "shelter",  "stretch",  "suggest",
    "surprise", "travel",  "trust",   "vanish",  "wander",  "whisper"};

}  // namespace

std::string draw_key_words(Random& random) {
  const char* adjective = kAdjectives[random.below(std::size(kAdjectives))];
  return std::string(adjective) + "-" + kNouns[random.below(std::size(kNouns))];
}

std::vector<std::string> list_words() {
  std::vector<std::string> words;
  words.insert(words.end(), std::begin(kAdjectives), std::end(kAdjectives));
  words.insert(words.end(), std::begin(kNouns), std::end(kNouns));
  words.insert(words.end(), std::begin(kVerbs), std::end(kVerbs));
  for (const char* adjective : kAdjectives) {
    for (const char* noun : kNouns) words.push_back(std::string(adjective) + "-" + noun);
  }
  return words;
}

}  // namespace lazyllm::evaluation
