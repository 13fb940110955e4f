// SPDX-License-Identifier: Apache-2.0
#include "grammar/pattern.h"

#include <optional>

#include "base/error.h"
#include "text/unicode.h"

namespace lazyllm::grammar {
namespace {

constexpr int kDeepestPatternGroup = 50;
constexpr uint32_t kMostRepeats = 10000;
constexpr size_t kLongestPattern = 10000;

class PatternParser {
 public:
  PatternParser(std::string_view source, PatternBudget& budget) : source_(source), budget_(budget) {
    budget_.spend(source.size());
  }

  Pattern parse() {
    if (source_.size() > kLongestPattern) refuse("it is longer than 10000 bytes");
    Pattern result = alternatives();
    if (!at_end()) refuse("there is a \")\" without its \"(\"");
    return result;
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::invalid_input,
         "\"pattern\", at byte {}: {}; supported are characters, classes like [a-z], \\d \\w \\s, "
         "groups, |, * + ? {{m,n}}, ^ and $",
         at_, what);
  }

  bool at_end() const { return at_ >= source_.size(); }
  char peek() const { return source_[at_]; }
  bool take(char c) {
    if (at_end() || peek() != c) return false;
    ++at_;
    return true;
  }
  bool take(std::string_view text) {
    if (!source_.substr(at_).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  char32_t character() {
    const text::DecodedCharacter next = text::decode_utf8(source_, at_);
    if (!next.valid) refuse("it is not valid UTF-8");
    at_ += next.length;
    return next.code_point;
  }

  Pattern alternatives() {
    if (++depth_ > kDeepestPatternGroup) refuse("its groups are nested too deep");
    Pattern result;
    result.kind = Pattern::Kind::alternatives;
    do {
      result.parts.push_back(sequence());
    } while (take('|'));
    --depth_;
    return result;
  }

  Pattern sequence() {
    Pattern result;
    while (!at_end() && peek() != '|' && peek() != ')') result.parts.push_back(repeated());
    return result;
  }

  Pattern repeated() {
    const size_t start = at_;
    Pattern part = atom();
    while (auto range = repetition()) {
      if (part.kind == Pattern::Kind::start || part.kind == Pattern::Kind::end ||
          part.kind == Pattern::Kind::repeat) {
        at_ = start;
        refuse("what stands here cannot be repeated");
      }
      take('?');  // lazy: the same texts match
      Pattern repeat;
      repeat.kind = Pattern::Kind::repeat;
      repeat.minimum = range->first;
      repeat.maximum = range->second;
      repeat.parts.push_back(std::move(part));
      part = std::move(repeat);
    }
    return part;
  }

  std::optional<std::pair<uint32_t, uint32_t>> repetition() {
    if (take('*')) return std::pair(0U, Pattern::kUnbounded);
    if (take('+')) return std::pair(1U, Pattern::kUnbounded);
    if (take('?')) return std::pair(0U, 1U);
    if (!take('{')) return std::nullopt;
    const uint32_t minimum = count();
    uint32_t maximum = minimum;
    if (take(',')) maximum = !at_end() && peek() == '}' ? Pattern::kUnbounded : count();
    if (!take('}')) refuse("a repetition is written {m}, {m,} or {m,n}; write \\{ for a brace");
    if (maximum < minimum) refuse("a repetition's bounds are the wrong way round");
    return std::pair(minimum, maximum);
  }

  uint32_t count() {
    uint32_t value = 0;
    const size_t start = at_;
    for (; !at_end() && peek() >= '0' && peek() <= '9'; ++at_) {
      value = value * 10 + static_cast<uint32_t>(peek() - '0');
      if (value > kMostRepeats) refuse("a repetition counts above 10000");
    }
    if (at_ == start) refuse("a repetition is written {m}, {m,} or {m,n}; write \\{ for a brace");
    return value;
  }

  static Pattern of(CharacterSet characters) {
    Pattern result;
    result.kind = Pattern::Kind::characters;
    result.characters = std::move(characters);
    return result;
  }

  Pattern atom() {
    const char c = peek();
    if (c == '(') return group();
    if (c == '[') return of(bracket());
    if (c == '\\') return of(escape().sure);
    if (c == '*' || c == '+' || c == '?' || c == '{' || c == '}' || c == ']') {
      refuse("this character needs a \\ before it here");
    }
    if (c == '.') {
      ++at_;
      return of(any_but_line_ends().sure);
    }
    if (c == '^' || c == '$') {
      ++at_;
      Pattern result;
      result.kind = c == '^' ? Pattern::Kind::start : Pattern::Kind::end;
      return result;
    }
    const char32_t literal = character();
    return of({{literal, literal}});
  }

  Pattern group() {
    take('(');
    if (!take("?:") && !at_end() && peek() == '?') {
      const bool named = source_.substr(at_).starts_with("?<") &&
                         !source_.substr(at_).starts_with("?<=") &&
                         !source_.substr(at_).starts_with("?<!");
      if (!named) refuse("assertions and flags (?...) are not supported");
      const size_t end = source_.find('>', at_);
      if (end == std::string_view::npos) refuse("a group's name has no end");
      at_ = end + 1;
    }
    Pattern result = alternatives();
    if (!take(')')) refuse("a group is not closed");
    return result;
  }

  CharacterClass escape() {
    take('\\');
    if (at_end()) refuse("it ends with a single \\");
    const size_t start = at_;
    const char32_t c = character();
    switch (c) {
      case 'd':
      case 'D':
      case 'w':
      case 'W':
      case 's':
      case 'S':
        budget_.spend(class_escape(static_cast<char>(c)).possible.ranges().size());
        return class_escape(static_cast<char>(c));
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case 'x':
        return one(hexadecimal(2));
      case 'u':
        return one(unicode_escape());
      default:
        break;
    }
    const bool is_word = c > 0x7F || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                         (c >= 'a' && c <= 'z') || c == '_';
    if (is_word) {
      at_ = start;
      refuse("this escape is not supported");
    }
    return one(c);
  }

  static CharacterClass one(char32_t c) { return {{{c, c}}, {{c, c}}}; }

  char32_t hexadecimal(int digits) {
    char32_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = at_end() ? ' ' : peek();
      const bool decimal = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!decimal && (lower < 'a' || lower > 'f')) refuse("hexadecimal digits are missing");
      value = value * 16 + static_cast<char32_t>(decimal ? c - '0' : lower - 'a' + 10);
    }
    return value;
  }

  char32_t unicode_escape() {
    const char32_t unit = hexadecimal(4);
    if (unit < 0xD800 || unit > 0xDFFF) return unit;
    if (unit > 0xDBFF || !take("\\u")) refuse("half of a surrogate pair is no character");
    const char32_t low = hexadecimal(4);
    if (low < 0xDC00 || low > 0xDFFF) refuse("half of a surrogate pair is no character");
    return 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
  }

  /// A class in brackets. Inside a negated one, what a member may stand for counts.
  CharacterSet bracket() {
    take('[');
    const bool negated = take('^');
    CharacterSet result;
    while (!at_end() && peek() != ']') {
      const size_t start = at_;
      const CharacterClass member = bracket_member();
      result.add(negated ? member.possible : member.sure);
      const bool range = at_ + 1 < source_.size() && peek() == '-' && source_[at_ + 1] != ']';
      if (!range) continue;
      const std::optional<char32_t> first = single(member);
      take('-');
      const std::optional<char32_t> last = single(bracket_member());
      if (!first || !last || *last < *first) {
        at_ = start;
        refuse("a range in brackets must go from one character up to another");
      }
      result.add({*first, *last});
    }
    if (!take(']')) refuse("a [ is not closed");
    if (negated) result = result.complement();
    return result;
  }

  CharacterClass bracket_member() {
    if (at_end()) refuse("a [ is not closed");
    if (peek() == '\\') {
      if (take("\\b")) return one('\b');
      return escape();
    }
    return one(character());
  }

  static std::optional<char32_t> single(const CharacterClass& of) {
    const auto& ranges = of.sure.ranges();
    if (ranges.size() != 1 || ranges[0].first != ranges[0].last) return std::nullopt;
    return ranges[0].first;
  }

  std::string_view source_;
  PatternBudget& budget_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

void fail_stopped() {
  fail(ErrorCode::usage, "compiling the schema was stopped: nobody waits for it any more");
}

void PatternBudget::spend(size_t work) {
  if (work > left) {
    fail(ErrorCode::invalid_input,
         "\"pattern\" (with \"minLength\" and \"maxLength\", where given) needs too large an "
         "automaton: it costs more than {} steps with all patterns before it; use smaller counts "
         "or a simpler pattern",
         kMost);
  }
  if (stop.stop_requested()) fail_stopped();
  left -= work;
}

Pattern parse_pattern(std::string_view source, PatternBudget& budget) {
  return PatternParser(source, budget).parse();
}

}  // namespace lazyllm::grammar
