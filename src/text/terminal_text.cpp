// SPDX-License-Identifier: Apache-2.0
#include "text/terminal_text.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "lazyllm/document.h"

namespace lazyllm::text {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

using Range = std::pair<uint32_t, uint32_t>;

bool in_any(std::span<const Range> ranges, uint32_t code) {
  return std::any_of(ranges.begin(), ranges.end(), [code](const Range& range) {
    return range.first <= code && code <= range.second;
  });
}

// C1 controls, line separators, marks and overrides of the direction of text.
constexpr std::array<Range, 5> kSteering = {
    {{0x80, 0x9f}, {0x200e, 0x200f}, {0x2028, 0x202e}, {0x2066, 0x2069}, {0xfff9, 0xfffb}}};
// Unicode's wide and full-width blocks, and the emoji.
constexpr std::array<Range, 10> kWide = {{{0x1100, 0x115f},
                                          {0x2e80, 0x303e},
                                          {0x3041, 0xa4cf},
                                          {0xac00, 0xd7a3},
                                          {0xf900, 0xfaff},
                                          {0xfe30, 0xfe6f},
                                          {0xff01, 0xff60},
                                          {0xffe0, 0xffe6},
                                          {0x1f300, 0x1faff},
                                          {0x20000, 0x3fffd}}};
constexpr std::array<Range, 6> kCombining = {{{0x0300, 0x036f},
                                              {0x0483, 0x0489},
                                              {0x0591, 0x05bd},
                                              {0x064b, 0x065f},
                                              {0x200b, 0x200d},
                                              {0xfe00, 0xfe0f}}};

size_t length_from_lead(unsigned char lead) {
  return lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

uint32_t code_point(std::string_view character) {
  const auto lead = static_cast<unsigned char>(character[0]);
  if (character.size() == 1) return lead;
  uint32_t code = lead & (0xffu >> (character.size() + 1));
  for (const char byte : character.substr(1)) {
    code = code << 6 | (static_cast<unsigned char>(byte) & 0x3fu);
  }
  return code;
}

/// U+2400 and on: the control pictures.
std::string picture_of_control(unsigned char control) {
  const unsigned picture = control == 0x7f ? 0x21u : control;
  return {'\xe2', '\x90', static_cast<char>(0x80u | picture)};
}

}  // namespace

TerminalCharacter next_terminal_character(std::string_view text, size_t begin) {
  const auto lead = static_cast<unsigned char>(text[begin]);
  if (lead == '\n') return {"\n", 1, 0};
  if (lead == '\t') return {"    ", 1, 4};
  if (lead == '\r' && text.substr(begin + 1).starts_with('\n')) return {"", 1, 0};
  if (lead < 0x20 || lead == 0x7f) return {picture_of_control(lead), 1, 1};

  const std::string_view character = text.substr(begin, length_from_lead(lead));
  if (find_invalid_utf8(character) != std::string_view::npos) {
    return {std::string(kReplacement), 1, 1};
  }
  const uint32_t code = code_point(character);
  if (in_any(kSteering, code)) return {std::string(kReplacement), character.size(), 1};
  const int columns = in_any(kCombining, code) ? 0 : in_any(kWide, code) ? 2 : 1;
  return {std::string(character), character.size(), columns};
}

}  // namespace lazyllm::text
