// SPDX-License-Identifier: Apache-2.0
#include "jinja/text_ops.h"

#include <algorithm>
#include <limits>

#include "jinja/search.h"
#include "jinja/unicode.h"

namespace lazyllm::jinja {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

/// Where the words of the `title` filter begin: these and whitespace separate them.
bool separates_words(char32_t code) {
  return code == '-' || code == '(' || code == '{' || code == '[' || code == '<' || is_space(code);
}

bool among(const Text& chars, std::string_view character, Budget& budget) {
  // A character is a valid sequence, so a match of bytes is a match of characters.
  return find_bytes(chars.bytes(), character, 0, budget) != std::string_view::npos;
}

Values split_at_spaces(const Text& text, int64_t limit, bool from_right, Budget& budget) {
  const std::string& bytes = text.bytes();
  Values pieces;
  const auto space_at = [&](size_t at) { return is_space(character_at(bytes, at).code); };
  const auto add = [&](size_t begin, size_t end) {
    budget.charge_items(1);
    pieces.emplace_back(text.range(begin, end));
  };
  if (!from_right) {
    size_t at = 0;
    while (true) {
      while (at < bytes.size() && space_at(at)) at += character_at(bytes, at).length;
      if (at >= bytes.size()) return pieces;
      if (limit-- == 0) {
        // Python keeps the spaces at the end of the rest.
        add(at, bytes.size());
        return pieces;
      }
      const size_t begin = at;
      while (at < bytes.size() && !space_at(at)) at += character_at(bytes, at).length;
      add(begin, at);
    }
  }
  size_t end = bytes.size();
  while (true) {
    while (end > 0 && space_at(character_before(bytes, end))) end = character_before(bytes, end);
    if (end == 0) break;
    if (limit-- == 0) {
      add(0, end);
      break;
    }
    const size_t stop = end;
    while (end > 0 && !space_at(character_before(bytes, end))) end = character_before(bytes, end);
    add(end, stop);
  }
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

}  // namespace

Text with_case(const Text& text, Case wanted, Budget& budget) {
  budget.charge_text(text.size() * 2);
  Text out;
  out.reserve(text.size());
  bool first = true;         // of the text
  bool word_starts = true;   // title filter
  bool after_cased = false;  // str.title()
  const std::string& bytes = text.bytes();
  for (size_t i = 0; i < bytes.size();) {
    const Character character = character_at(bytes, i);
    const char32_t code = character.code;
    if (code == kInvalidCharacter) {
      out.append_range(text, i, i + 1);
    } else {
      std::string mapped;
      switch (wanted) {
        case Case::upper:
          mapped = to_upper(code);
          break;
        case Case::lower:
          mapped = to_lower(code);
          break;
        case Case::capitalized:
          mapped = first ? to_title(code) : to_lower(code);
          break;
        case Case::title:
          mapped = after_cased ? to_lower(code) : to_title(code);
          after_cased = is_cased(code);
          break;
        case Case::words:
          mapped = word_starts ? to_upper(code) : to_lower(code);
          word_starts = separates_words(code);
          break;
      }
      out.append(mapped, text.origin_at(i));
    }
    first = false;
    i += character.length;
  }
  return out;
}

Text stripped(const Text& text, const std::optional<Text>& chars, bool left, bool right,
              Budget& budget) {
  const std::string& bytes = text.bytes();
  budget.charge_text(bytes.size());
  const auto goes = [&](size_t at) {
    const Character character = character_at(bytes, at);
    if (!chars) return is_space(character.code);
    return among(*chars, std::string_view(bytes).substr(at, character.length), budget);
  };
  size_t begin = 0, end = bytes.size();
  while (left && begin < end && goes(begin)) begin += character_at(bytes, begin).length;
  while (right && end > begin && goes(character_before(bytes, end))) {
    end = character_before(bytes, end);
  }
  return text.range(begin, std::max(begin, end));
}

Text replaced(const Text& text, const Text& from, const Text& to, int64_t count, Budget& budget) {
  if (count < 0) count = kNoLimit;
  const std::string& bytes = text.bytes();
  Text out;
  size_t begin = 0;
  const auto room = [&](size_t more) {
    if (more > Budget::kMaxText - std::min(out.size(), Budget::kMaxText)) {
      refuse("replace() grows over the bound of {} bytes", Budget::kMaxText);
    }
    budget.charge(more + 1);
  };
  if (from.empty()) {
    // Between all characters, and at both ends.
    for (size_t at = 0; count != 0; --count) {
      room(to.size() + 4);
      out.append(to);
      if (at >= bytes.size()) return out;
      const size_t length = character_at(bytes, at).length;
      out.append_range(text, at, at + length);
      at += length;
      begin = at;
    }
  } else {
    for (; count != 0; --count) {
      const size_t hit = find_bytes(bytes, from.bytes(), begin, budget);
      if (hit == std::string::npos) break;
      room(hit - begin + to.size());
      out.append_range(text, begin, hit);
      out.append(to);
      begin = hit + from.size();
    }
  }
  room(bytes.size() - begin);
  out.append_range(text, begin, bytes.size());
  return out;
}

Values split(const Text& text, const std::optional<Text>& separator, int64_t limit, bool from_right,
             Budget& budget) {
  if (limit < 0) limit = kNoLimit;
  const std::string& bytes = text.bytes();
  budget.charge_text(bytes.size());
  if (!separator) return split_at_spaces(text, limit, from_right, budget);
  if (separator->empty()) refuse("split() needs a separator that is not empty");
  Values pieces;
  const auto add = [&](size_t begin, size_t end) {
    budget.charge_items(1);
    pieces.emplace_back(text.range(begin, end));
  };
  if (!from_right) {
    size_t begin = 0;
    for (; limit != 0; --limit) {
      const size_t hit = find_bytes(bytes, separator->bytes(), begin, budget);
      if (hit == std::string::npos) break;
      add(begin, hit);
      begin = hit + separator->size();
    }
    add(begin, bytes.size());
    return pieces;
  }
  size_t end = bytes.size();
  for (; limit != 0; --limit) {
    const size_t hit = rfind_bytes(bytes, separator->bytes(), end, budget);
    if (hit == std::string::npos) break;
    add(hit + separator->size(), end);
    end = hit;
  }
  add(0, end);
  std::reverse(pieces.begin(), pieces.end());
  return pieces;
}

std::vector<Text> split_lines(const Text& text, bool keep_ends, Budget& budget) {
  const std::string& bytes = text.bytes();
  budget.charge_text(bytes.size());
  std::vector<Text> lines;
  size_t begin = 0;
  for (size_t i = 0; i < bytes.size();) {
    const Character character = character_at(bytes, i);
    size_t next = i + character.length;
    if (is_line_break(character.code)) {
      if (bytes[i] == '\r' && next < bytes.size() && bytes[next] == '\n') ++next;
      budget.charge_items(1);
      lines.push_back(text.range(begin, keep_ends ? next : i));
      begin = next;
    }
    i = next;
  }
  if (begin < bytes.size()) lines.push_back(text.range(begin, bytes.size()));
  return lines;
}

Text joined(const Text& separator, const std::vector<Text>& parts, Budget& budget) {
  Text out;
  for (size_t i = 0; i < parts.size(); ++i) {
    const size_t more = parts[i].size() + (i > 0 ? separator.size() : 0);
    if (more > Budget::kMaxText - std::min(out.size(), Budget::kMaxText)) {
      refuse("a joined text grows over the bound of {} bytes", Budget::kMaxText);
    }
    budget.charge(more);
    if (i > 0) out.append(separator);
    out.append(parts[i]);
  }
  return out;
}

}  // namespace lazyllm::jinja
