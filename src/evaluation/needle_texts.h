// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

// Needles of our own wording. {value} and {key} are filled in.
namespace lazyllm::evaluation {

inline constexpr std::string_view kNeedleIntroduction =
    "Read the following text with care. Afterwards you will be asked about something in it.\n\n";

struct NeedleWording {
  std::string_view needle, question, answer_prefix;
};

inline constexpr NeedleWording kLiteralNeedle = {
    "The secret number of the {key} is {value}.",
    "What is the secret number of the {key} that the text mentions?",
    " The secret number of the {key} is"};

inline constexpr std::string_view kSeveralQuestion =
    "What are the secret numbers of {keys} that the text mentions?";
inline constexpr std::string_view kSeveralAnswerPrefix = " The secret numbers of {keys} are";

inline constexpr std::string_view kNeedleKeys[] = {
    "harbor", "lantern", "orchard", "violin", "glacier", "compass", "meadow",  "copper",
    "falcon", "anchor",  "velvet",  "canyon", "beacon",  "walnut",  "thimble", "saddle"};

/// Needle and question share no content word (needle_test.cpp holds them to it).
inline constexpr NeedleWording kParaphrasedNeedles[] = {
    {"The lighthouse keeper locked his brass chest with the digits {value}.",
     "Which combination opens the metal box of the man who tends the sea lamp?",
     " The combination that opens it is"},
    {"Odile scribbled {value} on the back of her train ticket.",
     "What figure did the railway traveller note down?", " The figure was"},
    {"Our cellar holds exactly {value} bottles of plum wine.",
     "How large is the stock of fruit liquor kept underground?", " The size of the stock is"},
    {"Marta's bicycle was sold at the fair for {value} crowns.",
     "What price did the two-wheeler fetch?", " The price was"},
    {"The clockmaker used {value} tiny screws to mend the tower bell.",
     "How many small fasteners went into the repair of the big chime?",
     " The number of fasteners was"},
    {"Captain Brandt counted {value} crates in the hold of the Silver Gull.",
     "How many boxes did the ship's master find below deck?", " The number of boxes was"},
    {"A piano in the attic bore the serial plate {value}.",
     "Under which identification mark was the instrument beneath the roof known?",
     " Its identification mark was"},
    {"The shepherd drove {value} sheep across the mountain pass.",
     "How big was the flock that went over the ridge?", " The size of the flock was"},
};

}  // namespace lazyllm::evaluation
