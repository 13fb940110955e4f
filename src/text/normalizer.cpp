// SPDX-License-Identifier: Apache-2.0
#include "text/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>

#include "text/unicode.h"

namespace lazyllm::text {
namespace {

using Kind = NormalizerStep::Kind;

/// The text that a step makes, and where each of its bytes comes from.
class Output {
 public:
  Output(const std::vector<uint32_t>* before, std::vector<uint32_t>* after)
      : before_(before), after_(after) {}

  void keep(std::string_view text, size_t begin, size_t end) {
    if (after_ != nullptr) {
      for (size_t at = begin; at < end; ++at) after_->push_back(origin(at));
    }
    text_ += text.substr(begin, end - begin);
  }

  /// `made` stands for what was from `begin` to `end`.
  void put(std::string_view made, size_t begin, size_t end) {
    if (after_ != nullptr && !made.empty()) {
      after_->push_back(origin(begin));
      after_->insert(after_->end(), made.size() - 1, origin(end));
    }
    text_ += made;
  }

  std::string finish(size_t end) {
    if (after_ != nullptr) after_->push_back(origin(end));
    return std::move(text_);
  }

 private:
  uint32_t origin(size_t at) const {
    return before_ == nullptr ? static_cast<uint32_t>(at) : (*before_)[at];
  }

  const std::vector<uint32_t>* before_;
  std::vector<uint32_t>* after_;
  std::string text_;
};

/// Whether a normal form may join this character to one before it. True for a few that it never
/// joins: then more is looked at together, which changes nothing.
bool may_join_back(char32_t c) {
  if (c < 0x300) return false;
  const bool jamo = (c >= 0x1160 && c <= 0x11FF) || (c >= 0xD7B0 && c <= 0xD7FF) ||
                    (c >= 0x3131 && c <= 0x318E) || (c >= 0xFF9E && c <= 0xFFDC);
  if (jamo) return true;
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
         category == UTF8PROC_CATEGORY_ME;
}

utf8proc_option_t options_of(Kind kind) {
  const bool composes = kind == Kind::nfc || kind == Kind::nfkc;
  const bool compatible = kind == Kind::nfkc || kind == Kind::nfkd;
  return static_cast<utf8proc_option_t>(UTF8PROC_STABLE |
                                        (composes ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE) |
                                        (compatible ? UTF8PROC_COMPAT : 0));
}

/// Puts a normal form of the valid characters from `begin` to `end`, which nothing outside joins.
void put_form(std::string_view text, size_t begin, size_t end, Kind kind, Output& output) {
  const std::string_view part = text.substr(begin, end - begin);
  utf8proc_uint8_t* made = nullptr;
  const utf8proc_ssize_t size =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(part.data()),
                   static_cast<utf8proc_ssize_t>(part.size()), &made, options_of(kind));
  const std::unique_ptr<utf8proc_uint8_t, void (*)(void*)> owner(made, std::free);
  if (size < 0) return output.keep(text, begin, end);
  const std::string_view form(reinterpret_cast<const char*>(made), static_cast<size_t>(size));
  if (form == part) {
    output.keep(text, begin, end);
  } else {
    output.put(form, begin, end);
  }
}

void put_normal_form(std::string_view text, Kind kind, Output& output) {
  size_t begin = 0;  // of what is looked at together
  const auto flush = [&](size_t end) {
    if (begin < end) put_form(text, begin, end, kind, output);
    begin = end;
  };
  for (size_t at = 0; at < text.size();) {
    size_t plain = at;  // end of the ASCII characters from here on
    while (plain < text.size() && static_cast<uint8_t>(text[plain]) < 0x80) ++plain;
    if (plain > at) {
      flush(at);
      if (plain < text.size()) --plain;  // what follows may join the last one
      output.keep(text, at, plain);
      begin = at = plain;
      if (at < text.size()) ++at;
      continue;
    }
    const DecodedCharacter character = decode_utf8(text, at);
    if (!character.valid || !may_join_back(character.code_point)) flush(at);
    at += character.length;
    if (!character.valid) {
      output.keep(text, begin, at);
      begin = at;
    }
  }
  flush(text.size());
}

void put_by_character(std::string_view text, Kind kind, Output& output) {
  for (size_t at = 0; at < text.size();) {
    const DecodedCharacter character = decode_utf8(text, at);
    const size_t end = at + character.length;
    const auto code = static_cast<utf8proc_int32_t>(character.code_point);
    if (!character.valid) {
      output.keep(text, at, end);
    } else if (kind == Kind::strip_accents) {
      const auto category = utf8proc_category(code);
      const bool mark = category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
                        category == UTF8PROC_CATEGORY_ME;
      if (!mark) output.keep(text, at, end);
    } else if (code == 0x130) {
      output.put("i\xCC\x87", at, end);  // the one whose small form is two characters
    } else {
      std::string lower;
      append_utf8(lower, static_cast<char32_t>(utf8proc_tolower(code)));
      if (lower == text.substr(at, end - at)) {
        output.keep(text, at, end);
      } else {
        output.put(lower, at, end);
      }
    }
    at = end;
  }
}

bool is_space(std::string_view text, size_t at, size_t* length) {
  const DecodedCharacter character = decode_utf8(text, at);
  *length = character.length;
  return character.valid && (classes_of(character.code_point) & kSpace) != 0;
}

void put_stripped(std::string_view text, const NormalizerStep& step, Output& output) {
  size_t begin = 0;
  size_t end = text.size();
  size_t length = 0;
  while (step.left && begin < end && is_space(text, begin, &length)) begin += length;
  while (step.right && end > begin) {
    size_t last = end - 1;
    while (last > begin && (static_cast<uint8_t>(text[last]) & 0xC0U) == 0x80U) --last;
    if (!is_space(text, last, &length) || last + length != end) break;
    end = last;
  }
  output.keep(text, begin, end);
}

void put_replaced(std::string_view text, const NormalizerStep& step, Output& output) {
  size_t at = 0;
  for (size_t found; (found = text.find(step.pattern, at)) != std::string_view::npos;) {
    output.keep(text, at, found);
    at = found + step.pattern.size();
    output.put(step.content, found, at);
  }
  output.keep(text, at, text.size());
}

std::string apply_step(std::string_view text, const NormalizerStep& step, Output output) {
  switch (step.kind) {
    case Kind::lowercase:
    case Kind::strip_accents:
      put_by_character(text, step.kind, output);
      break;
    case Kind::strip:
      put_stripped(text, step, output);
      break;
    case Kind::replace:
      put_replaced(text, step, output);
      break;
    case Kind::prepend:
      if (!text.empty()) output.put(step.content, 0, 0);
      output.keep(text, 0, text.size());
      break;
    default:
      put_normal_form(text, step.kind, output);
  }
  return output.finish(text.size());
}

}  // namespace

std::string Normalizer::apply(std::string_view text, std::vector<uint32_t>* origins) const {
  std::string current(text);
  std::vector<uint32_t> before;
  bool first = true;
  for (const NormalizerStep& step : steps_) {
    std::vector<uint32_t> after;
    current = apply_step(current, step,
                         Output(first ? nullptr : &before, origins == nullptr ? nullptr : &after));
    before = std::move(after);
    if (origins != nullptr) first = false;
  }
  if (origins == nullptr) return current;
  if (first) {
    for (uint32_t at = 0; at <= text.size(); ++at) before.push_back(at);
  }
  *origins = std::move(before);
  return current;
}

}  // namespace lazyllm::text
