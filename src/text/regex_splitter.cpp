// SPDX-License-Identifier: Apache-2.0
#include "text/regex_splitter.h"

#include <algorithm>
#include <chrono>
#include <optional>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "text/unicode.h"

namespace lazyllm::text {
namespace {

using Clock = std::chrono::steady_clock;

// A match of a real expression takes some steps per character of a word; one that runs away is
// stopped, and so is a text on which all matches together take very long.
constexpr uint32_t kMostSteps = 1'000'000;
constexpr uint32_t kMostHeapKilobytes = 64 * 1024;
constexpr size_t kLongestExpression = 64 * 1024;
constexpr auto kLongest = std::chrono::seconds(20);

/// A match, or what lies between two.
struct Span {
  size_t begin, end;
  bool is_match;
};

std::string shown(std::string_view expression) {
  constexpr size_t kMost = 200;
  return std::string(expression.substr(0, kMost)) + (expression.size() > kMost ? "..." : "");
}

// Unicode's White_Space and what Oniguruma takes for a word, for the inside of a class.
constexpr std::string_view kSpaces =
    R"(\x{9}-\x{d}\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kWords =  // the symbols that are alphabetic, too
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{b2}\x{b3}\x{b9}\x{bc}-\x{be}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";

/// Walks through an expression and writes it anew.
class Translator {
 public:
  explicit Translator(std::string_view expression) : in_(expression) {}

  std::string run() {
    while (at_ < in_.size()) {
      const size_t atom = out_.size();
      if (in_[at_] == '{' && repeat_of_repeat()) continue;
      if (in_[at_] == '(') groups_.push_back(atom);
      if (in_[at_] == ')' && !groups_.empty()) {
        atom_ = groups_.back();
        groups_.pop_back();
      } else {
        atom_ = atom;
      }
      if (in_[at_] == '\\') {
        outer_escape();
      } else if (in_[at_] == '[') {
        out_ += char_class();
      } else {
        if (in_.substr(at_).starts_with("(?m") || in_.substr(at_).starts_with("(?s")) {
          refuse("the option m or s");
        }
        out_ += in_[at_++];
      }
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorCode::unsupported,
         "the tokenizer's regular expression '{}' has {}, which lazyllm does not implement",
         shown(in_), what);
  }

  char escaped() {
    if (at_ + 1 >= in_.size()) refuse("a \\ at its end");
    return in_[at_ + 1];
  }

  /// X{1,3}+ repeats what is repeated; elsewhere it is possessive.
  bool repeat_of_repeat() {
    const size_t end = in_.find('}', at_);
    if (end == std::string_view::npos || end + 1 >= in_.size() || in_[end + 1] != '+') return false;
    const std::string_view counts = in_.substr(at_ + 1, end - at_ - 1);
    if (counts.empty() || counts.find_first_not_of("0123456789,") != std::string_view::npos) {
      return false;
    }
    out_.insert(atom_, "(?:");
    out_ += fmt::format("{{{}}})+", counts);
    at_ = end + 2;
    return true;
  }

  void outer_escape() {
    const char c = escaped();
    at_ += 2;
    switch (c) {
      case 's':
        out_ += fmt::format("[{}]", kSpaces);
        return;
      case 'S':
        out_ += fmt::format("[^{}]", kSpaces);
        return;
      case 'w':
        out_ += fmt::format("[{}]", kWords);
        return;
      case 'W':
        out_ += fmt::format("[^{}]", kWords);
        return;
      case 'b':
        out_ += word_edge(true);
        return;
      case 'B':
        out_ += word_edge(false);
        return;
      case 'h':
      case 'H':
      case 'G':
      case 'K':
        refuse(fmt::format("\\{}", c));
      default:
        out_ += '\\';
        out_ += c;
        if ((c == 'p' || c == 'P' || c == 'x') && at_ < in_.size() && in_[at_] == '{') {
          const size_t end = std::min(in_.find('}', at_), in_.size() - 1);
          out_ += in_.substr(at_, end + 1 - at_);  // a name, not a number of times
          at_ = end + 1;
        }
    }
  }

  static std::string word_edge(bool is_edge) {
    return is_edge ? fmt::format("(?:(?<=[{0}])(?![{0}])|(?<![{0}])(?=[{0}]))", kWords)
                   : fmt::format("(?:(?<=[{0}])(?=[{0}])|(?<![{0}])(?![{0}]))", kWords);
  }

  /// "[...]" from at_ on. Of Oniguruma's sets of sets, [A&&[B]] and [A&&[^B]] are known.
  std::string char_class() {
    std::string set = "[";
    ++at_;
    if (at_ < in_.size() && in_[at_] == '^') set += in_[at_++];
    const size_t first = at_;
    while (true) {
      if (at_ >= in_.size()) refuse("a [ without its ]");
      const char c = in_[at_];
      if (c == ']' && at_ > first) break;
      if (c == '\\') {
        const char kind = escaped();
        at_ += 2;
        if (kind == 'S' || kind == 'W' || kind == 'h' || kind == 'H') {
          refuse(fmt::format("\\{} in a set", kind));
        }
        set += kind == 's'   ? std::string(kSpaces)
               : kind == 'w' ? std::string(kWords)
                             : fmt::format("\\{}", kind);
      } else if (in_.substr(at_).starts_with("&&")) {
        return intersection(set + "]");
      } else if (in_.substr(at_).starts_with("[:")) {
        const size_t end = in_.find(":]", at_);
        if (end == std::string_view::npos) refuse("a [: without its :]");
        set += in_.substr(at_, end + 2 - at_);
        at_ = end + 2;
      } else if (c == '[') {
        refuse("a set inside a set");
      } else {
        set += in_[at_++];
      }
    }
    ++at_;
    return set + "]";
  }

  std::string intersection(const std::string& set) {
    if (set.starts_with("[^")) refuse("an intersection in a negated set");
    at_ += 2;
    if (at_ >= in_.size() || in_[at_] != '[') refuse("an intersection with && that is no set");
    const std::string other = char_class();
    if (at_ >= in_.size() || in_[at_] != ']') refuse("more behind an intersection with &&");
    ++at_;
    return fmt::format("(?:(?={}){})", other, set);
  }

  std::string_view in_;
  std::string out_;
  size_t at_ = 0;
  size_t atom_ = 0;             ///< where in out_ the last thing that can be repeated begins
  std::vector<size_t> groups_;  ///< where the open groups begin there
};

size_t character_length(std::string_view text, size_t at) {
  return at < text.size() ? decode_utf8(text, at).length : 1;
}

/// Runs of spans that stay together.
std::vector<Span> join(const std::vector<Span>& spans, OwnSplit::Behavior behavior) {
  using Behavior = OwnSplit::Behavior;
  std::vector<Span> joined;
  if (behavior == Behavior::merged_with_next) {
    bool next_is_match = false;
    for (size_t i = spans.size(); i-- > 0;) {
      const Span& span = spans[i];
      if (span.is_match && !next_is_match && !joined.empty()) {
        joined.back().begin = span.begin;
      } else {
        joined.push_back(span);
      }
      next_is_match = span.is_match;
    }
    std::reverse(joined.begin(), joined.end());
    return joined;
  }
  bool before_is_match = false;
  for (const Span& span : spans) {
    const bool follows = !joined.empty();
    const bool joins = behavior == Behavior::contiguous
                           ? follows && span.is_match == before_is_match
                           : behavior == Behavior::merged_with_previous && follows &&
                                 span.is_match && !before_is_match;
    if (joins) {
      joined.back().end = span.end;
    } else {
      joined.push_back(span);
    }
    before_is_match = span.is_match;
  }
  return joined;
}

}  // namespace

std::string translate_expression(std::string_view expression) {
  return Translator(expression).run();
}

struct RegexSplitter::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;

  explicit Code(const std::string& expression) {
    if (expression.size() > kLongestExpression) {
      fail(ErrorCode::unsupported, "the tokenizer's regular expression has {} bytes, more than {}",
           expression.size(), kLongestExpression);
    }
    const std::string translated = translate_expression(expression);
    pcre2_compile_context* context = pcre2_compile_context_create(nullptr);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    int error = 0;
    PCRE2_SIZE place = 0;
    code = pcre2_compile(
        reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF,
        &error, &place, context);
    pcre2_compile_context_free(context);
    if (code == nullptr) {
      PCRE2_UCHAR message[256] = {};
      pcre2_get_error_message(error, message, sizeof message);
      fail(ErrorCode::unsupported, "the tokenizer's regular expression '{}' is not understood: {}",
           shown(expression), reinterpret_cast<const char*>(message));
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // where it cannot, matching works all the same
    limits = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(limits, kMostSteps);
    pcre2_set_heap_limit(limits, kMostHeapKilobytes);
  }
  ~Code() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

RegexSplitter::RegexSplitter(const OwnSplit& split)
    : code_(std::make_shared<const Code>(split.expression)), split_(split) {}

void RegexSplitter::split(std::string_view text, std::vector<Cut>& cuts) const {
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  const Clock::time_point start = Clock::now();
  std::vector<Span> spans;
  size_t done = 0;
  std::optional<size_t> last;  // end of the last match
  for (size_t from = 0; from <= text.size();) {
    // One pair of places for the whole match suffices: 0 says that there were more groups.
    const int found = pcre2_match(code_->code, reinterpret_cast<PCRE2_SPTR>(text.data()),
                                  text.size(), from, 0, data.get(), code_->limits);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0 || Clock::now() - start > kLongest) {
      fail(ErrorCode::invalid_input,
           "the tokenizer's regular expression '{}' takes too long on this text",
           shown(split_.expression));
    }
    const PCRE2_SIZE* place = pcre2_get_ovector_pointer(data.get());
    const bool empty = place[0] == place[1];
    from = place[1] + (empty ? character_length(text, place[1]) : 0);
    if (empty && last == place[1]) continue;  // right behind the last match
    if (place[0] > done) spans.push_back({done, place[0], split_.invert});
    spans.push_back({place[0], place[1], !split_.invert});
    done = place[1];
    last = done;
  }
  if (done < text.size()) spans.push_back({done, text.size(), split_.invert});
  for (const Span& span : join(spans, split_.behavior)) {
    if (span.begin == span.end) continue;  // an empty match only cuts
    const bool dropped = split_.behavior == OwnSplit::Behavior::removed && span.is_match;
    cuts.push_back({span.end, dropped});
  }
}

}  // namespace lazyllm::text
