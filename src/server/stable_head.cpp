// SPDX-License-Identifier: Apache-2.0
#include "server/stable_head.h"

#include <algorithm>

#include "base/error.h"
#include "base/sha256.h"
#include "server/request_error.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace lazyllm::server {
namespace {

constexpr size_t kMostHeads = 256;
constexpr size_t kMostMatches = 256;      // of a head
constexpr size_t kMostBytes = 1 << 20;    // of a text that is looked through
constexpr uint32_t kMostSteps = 1 << 20;  // of one search

PCRE2_SPTR units(const std::string& text) {
  return reinterpret_cast<PCRE2_SPTR>(text.data());
}

}  // namespace

struct StableHead::Code {
  pcre2_code* code = nullptr;
  pcre2_match_context* limits = nullptr;

  explicit Code(const std::string& expression) {
    int error = 0;
    PCRE2_SIZE place = 0;
    code = pcre2_compile(
        units(expression), expression.size(),
        PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_MATCH_INVALID_UTF,
        &error, &place, nullptr);
    if (code == nullptr) {
      PCRE2_UCHAR message[256] = {};
      pcre2_get_error_message(error, message, sizeof message);
      fail(ErrorCode::usage, "--stable-head '{}': {} at character {}", expression,
           reinterpret_cast<const char*>(message), place);
    }
    limits = pcre2_match_context_create(nullptr);
    pcre2_set_match_limit(limits, kMostSteps);
  }
  ~Code() {
    pcre2_match_context_free(limits);
    pcre2_code_free(code);
  }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
};

StableHead::StableHead(const std::string& expression)
    : code_(std::make_unique<const Code>(expression)) {}

StableHead::~StableHead() = default;

std::vector<StableHead::Place> StableHead::find(const std::string& text) const {
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> data(
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  const size_t size = std::min(text.size(), kMostBytes);
  std::vector<Place> places;
  for (size_t from = 0; from < size && places.size() < kMostMatches;) {
    const int found =
        pcre2_match(code_->code, units(text), size, from, 0, data.get(), code_->limits);
    if (found == PCRE2_ERROR_NOMATCH) break;
    if (found < 0) {
      throw invalid_request("messages",
                            "the server's --stable-head takes too long on the head of this prompt");
    }
    const PCRE2_SIZE* const place = pcre2_get_ovector_pointer(data.get());
    if (place[1] > place[0]) places.push_back({place[0], place[1]});
    from = std::max(place[1], from + 1);
    while (from < size && (static_cast<unsigned char>(text[from]) & 0xC0) == 0x80) ++from;
  }
  return places;
}

std::vector<StableHead::Kept> StableHead::keep(std::span<std::string* const> texts,
                                               const std::string& owner) {
  std::vector<std::vector<Place>> places;
  std::vector<std::string> matches;
  // Which words stand around the matches: lengths before texts, so that no two heads look alike.
  std::string rest = std::to_string(owner.size()) + " " + owner;
  for (const std::string* text : texts) {
    places.push_back(find(*text));
    size_t from = 0;
    for (const Place& place : places.back()) {
      rest += std::to_string(place.begin - from) + " " + text->substr(from, place.begin - from);
      matches.push_back(text->substr(place.begin, place.end - place.begin));
      from = place.end;
    }
    rest += "end " + std::to_string(text->size() - from) + " " + text->substr(from);
  }
  if (matches.empty()) return {};
  Sha256 hash;
  hash.add(std::as_bytes(std::span(rest)));
  rest = hash.finish();

  const std::lock_guard lock(mutex_);
  const auto known = std::find_if(heads_.begin(), heads_.end(),
                                  [&](const Head& head) { return head.rest == rest; });
  if (known == heads_.end()) {
    heads_.push_front({std::move(rest), std::move(matches)});
    if (heads_.size() > kMostHeads) heads_.pop_back();
    return {};
  }
  heads_.splice(heads_.begin(), heads_, known);
  const std::vector<std::string>& first = heads_.front().matches;
  std::vector<Kept> kept;
  size_t next = 0;
  for (size_t t = 0; t < texts.size(); ++t) {
    std::string changed;
    size_t from = 0;
    for (const Place& place : places[t]) {
      changed += texts[t]->substr(from, place.begin - from) + first[next];
      if (matches[next] != first[next]) kept.push_back({matches[next], first[next]});
      from = place.end;
      ++next;
    }
    *texts[t] = changed + texts[t]->substr(from);
  }
  return kept;
}

}  // namespace lazyllm::server
