// SPDX-License-Identifier: Apache-2.0
// GBNF: rules `name ::= alternatives`, with literals, classes, groups and repetitions.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/error.h"
#include "grammar/string_decoder.h"
#include "grammar/text_grammar.h"
#include "text/unicode.h"

namespace lazyllm::grammar {
namespace {

constexpr size_t kMostBytes = size_t{1} << 20;
constexpr int kDeepestGroup = 50;

class GbnfParser {
 public:
  explicit GbnfParser(std::string_view source) : source_(source) {
    if (source.size() > kMostBytes) refuse(fmt::format("it has more than {} bytes", kMostBytes));
  }

  TextGrammar parse() {
    skip_space(/*lines=*/true);
    while (!at_end()) parse_rule();
    for (const auto& [name, rule] : rules_) {
      if (rule.defined) continue;
      at_ = rule.first_seen;
      refuse(fmt::format("the rule \"{}\" is not defined", name));
    }
    const auto root = rules_.find("root");
    if (root == rules_.end()) refuse("there is no rule \"root\"");
    return builder_.finish(root->second.item);
  }

 private:
  using Item = TextGrammar::Item;
  using Sequence = TextGrammarBuilder::Sequence;
  struct Rule {
    Item item;
    bool defined = false;
    size_t first_seen = 0;
  };

  [[noreturn]] void refuse(const std::string& what) const {
    const size_t end = std::min(at_, source_.size());
    const auto line =
        std::count(source_.begin(), source_.begin() + static_cast<ptrdiff_t>(end), '\n');
    fail(ErrorCode::invalid_input, "the grammar, line {}: {}", line + 1, what);
  }

  bool at_end() const { return at_ >= source_.size(); }
  char peek() const { return at_end() ? '\0' : source_[at_]; }
  bool take(std::string_view text) {
    if (!source_.substr(std::min(at_, source_.size())).starts_with(text)) return false;
    at_ += text.size();
    return true;
  }

  void skip_space(bool lines) {
    for (; !at_end(); ++at_) {
      const char c = peek();
      if (c == '#') {
        at_ = std::min(source_.find('\n', at_), source_.size());
        --at_;
      } else if (c != ' ' && c != '\t' && !(lines && (c == '\n' || c == '\r'))) {
        return;
      }
    }
  }

  static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  }

  Rule& named_rule() {
    const size_t start = at_;
    while (!at_end() && is_word(peek())) ++at_;
    if (at_ == start) refuse("a rule's name was expected here");
    const auto [found, is_new] =
        rules_.try_emplace(std::string(source_.substr(start, at_ - start)));
    if (is_new) found->second = {builder_.add_rule(), false, start};
    return found->second;
  }

  void parse_rule() {
    Rule& rule = named_rule();
    skip_space(false);
    if (!take("::=")) refuse("::= was expected behind the rule's name");
    if (rule.defined) refuse("the rule is defined twice");
    rule.defined = true;
    skip_space(true);
    parse_alternatives(rule.item, /*nested=*/false);
    if (!at_end() && peek() != '\n' && peek() != '\r') refuse("the rule's line should end here");
    skip_space(true);
  }

  void parse_alternatives(Item rule, bool nested) {
    do {
      skip_space(true);
      builder_.add_alternative(rule, parse_sequence(nested));
    } while (take_bar());
  }

  /// Also at the head of one of the next lines.
  bool take_bar() {
    const size_t before = at_;
    skip_space(true);
    if (take("|")) return true;
    at_ = before;
    return false;
  }

  Sequence parse_sequence(bool nested) {
    Sequence result;
    while (!at_end()) {
      const char c = peek();
      Sequence part;
      if (c == '"') {
        part = parse_literal();
      } else if (c == '[') {
        part = {builder_.characters(parse_class())};
      } else if (c == '.') {
        ++at_;
        part = {builder_.characters(CharacterSet::all())};
      } else if (c == '(') {
        part = {parse_group()};
      } else if (is_word(c)) {
        part = {named_rule().item};
      } else if (c == '<') {
        refuse("tokens in <> are not supported; write their text in quotes");
      } else {
        break;
      }
      skip_space(nested);
      part = parse_repetitions(std::move(part), nested);
      result.insert(result.end(), part.begin(), part.end());
    }
    return result;
  }

  Item parse_group() {
    if (++depth_ > kDeepestGroup) refuse("its groups are nested too deep");
    take("(");
    const Item rule = builder_.add_rule();
    parse_alternatives(rule, /*nested=*/true);
    skip_space(true);
    if (!take(")")) refuse("a group is not closed");
    --depth_;
    return rule;
  }

  Sequence parse_repetitions(Sequence part, bool nested) {
    while (true) {
      uint32_t minimum = 0, maximum = TextGrammarBuilder::kUnbounded;
      if (take("*")) {
      } else if (take("+")) {
        minimum = 1;
      } else if (take("?")) {
        maximum = 1;
      } else if (take("{")) {
        minimum = maximum = count();
        if (take(",")) maximum = peek() == '}' ? TextGrammarBuilder::kUnbounded : count();
        if (!take("}") || maximum < minimum) refuse("a repetition is written {m}, {m,} or {m,n}");
      } else {
        return part;
      }
      Item item = part.size() == 1 ? part[0] : Item();
      if (part.size() != 1) {
        item = builder_.add_rule();
        builder_.add_alternative(item, std::move(part));
      }
      part = builder_.repeat(item, minimum, maximum);
      skip_space(nested);
    }
  }

  uint32_t count() {
    uint32_t value = 0;
    const size_t start = at_;
    for (; peek() >= '0' && peek() <= '9'; ++at_) {
      value = std::min<uint32_t>(value * 10 + static_cast<uint32_t>(peek() - '0'), 10'000'000);
    }
    if (at_ == start) refuse("a repetition is written {m}, {m,} or {m,n}");
    return value;
  }

  Sequence parse_literal() {
    take("\"");
    Sequence result;
    while (!take("\"")) {
      const char32_t c = character();
      result.push_back(builder_.characters({{c, c}}));
    }
    return result;
  }

  CharacterSet parse_class() {
    take("[");
    const bool negated = take("^");
    CharacterSet set;
    while (!take("]")) {
      const char32_t first = character();
      char32_t last = first;
      if (peek() == '-' && at_ + 1 < source_.size() && source_[at_ + 1] != ']') {
        take("-");
        last = character();
      }
      if (last < first) refuse("a range in brackets is the wrong way round");
      set.add({first, last});
    }
    return negated ? set.complement() : set;
  }

  char32_t character() {
    if (at_end()) refuse("a quote or bracket is not closed");
    if (take("\\")) return escaped();
    const text::DecodedCharacter next = text::decode_utf8(source_, at_);
    if (!next.valid) refuse("it is not valid UTF-8");
    at_ += next.length;
    return next.code_point;
  }

  char32_t escaped() {
    if (at_end()) refuse("it ends with a single \\");
    const char c = source_[at_++];
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      case 'U':
        return hexadecimal(8);
      case '"':
      case '\\':
      case '[':
      case ']':
      case '-':
      case '^':
      case '/':
        return static_cast<char32_t>(c);
      default:
        refuse(fmt::format("the escape \\{} is unknown", c));
    }
  }

  char32_t hexadecimal(int digits) {
    uint64_t value = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const int digit = at_end() ? -1 : hexadecimal_value(static_cast<uint8_t>(peek()));
      if (digit < 0) refuse("hexadecimal digits are missing");
      value = value * 16 + static_cast<uint64_t>(digit);
    }
    if (value > kLastCharacter || (value >= 0xD800 && value <= 0xDFFF)) {
      refuse("this code is no character");
    }
    return static_cast<char32_t>(value);
  }

  std::string_view source_;
  TextGrammarBuilder builder_;
  std::map<std::string, Rule> rules_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

TextGrammar parse_gbnf(std::string_view source) {
  return GbnfParser(source).parse();
}

}  // namespace lazyllm::grammar
