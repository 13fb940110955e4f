// SPDX-License-Identifier: Apache-2.0
#include "lazy/attention_form.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace lazyllm::lazy {
namespace {

// Measured: docs/lab/sparse-attention.md. A program with other figures computes other bits, which
// snapshots tell apart by the program's build.
constexpr AttentionForm kSparse = {.sparse = true,
                                   .share = 0.12,
                                   .from = 4096,
                                   .chunk = 256,
                                   .first = 64,
                                   .recent = 256,
                                   .tail = 128,
                                   .representatives = 16};

constexpr int64_t kMostFrom = int64_t{1} << 40;

[[noreturn]] void refuse(std::string_view text) {
  fail(ErrorCode::usage,
       "attention {}: write dense, sparse or sparse:SHARE with a share of the keys above 0 and up "
       "to 1; @TOKENS behind it says from which length on",
       text.substr(0, 100));
}

template <typename Number>
bool parse_whole(std::string_view text, Number& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

}  // namespace

AttentionForm AttentionForm::parse(std::string_view text) {
  if (text == "dense") return {};
  constexpr std::string_view kWord = "sparse";
  if (!text.starts_with(kWord)) refuse(text);
  AttentionForm form = kSparse;
  std::string_view rest = text.substr(kWord.size());
  const size_t at = std::min(rest.find('@'), rest.size());
  if (at < rest.size()) {
    if (!parse_whole(rest.substr(at + 1), form.from) || form.from < 0 || form.from > kMostFrom) {
      refuse(text);
    }
    form.from = std::max(form.from, form.first + form.recent);
    form.from = (form.from + form.chunk - 1) / form.chunk * form.chunk;
  }
  rest = rest.substr(0, at);
  if (rest.empty()) return form;
  if (rest.front() != ':' || !parse_whole(rest.substr(1), form.share)) refuse(text);
  if (!(form.share > 0.0 && form.share <= 1.0)) refuse(text);
  return form;
}

std::string AttentionForm::to_string() const {
  return sparse ? fmt::format("sparse:{}@{}", share, from) : "dense";
}

int64_t AttentionForm::chunked(int64_t size) const {
  return std::max<int64_t>(0, size - tail) / chunk * chunk;
}

double AttentionForm::expected_share(int64_t size) const {
  if (!sparse || size == 0) return 1.0;
  double saved = 0.0;
  const int64_t end = chunked(size);
  for (int64_t begin = from; begin < end; begin += chunk) {
    saved += (1.0 - share) * static_cast<double>((begin - first - recent) * chunk);
  }
  return 1.0 - saved / (0.5 * static_cast<double>(size) * static_cast<double>(size + 1));
}

AttentionForm AttentionForm::for_size(int64_t size) const {
  return sparse && chunked(size) > from ? *this : AttentionForm{};
}

int64_t tokens_alike(const AttentionForm& held, const AttentionForm& wanted, int64_t common) {
  if (!held.sparse && !wanted.sparse) return common;
  if (held == wanted) return common <= held.from ? common : common / held.chunk * held.chunk;
  if (held.sparse) common = std::min(common, held.from);
  if (wanted.sparse) common = std::min(common, wanted.from);
  return common;
}

}  // namespace lazyllm::lazy
