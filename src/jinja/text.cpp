// SPDX-License-Identifier: Apache-2.0
#include "jinja/text.h"

#include <algorithm>

namespace lazyllm::jinja {

Text::Text(std::string bytes, Origin origin) : bytes_(std::move(bytes)) {
  if (!bytes_.empty()) runs_.push_back({bytes_.size(), origin});
}

Origin Text::origin_at(size_t byte) const {
  const auto run = std::upper_bound(runs_.begin(), runs_.end(), byte,
                                    [](size_t at, const Run& r) { return at < r.end; });
  return run == runs_.end() ? Origin(false) : run->origin;
}

bool Text::all_from_template() const {
  return std::all_of(runs_.begin(), runs_.end(),
                     [](const Run& run) { return run.origin.from_template; });
}

void Text::append(std::string_view bytes, Origin origin) {
  if (bytes.empty()) return;
  bytes_.append(bytes);
  if (!runs_.empty() && runs_.back().origin == origin) {
    runs_.back().end = bytes_.size();
  } else {
    runs_.push_back({bytes_.size(), origin});
  }
}

void Text::append_range(const Text& other, size_t begin, size_t end) {
  auto run = std::upper_bound(other.runs_.begin(), other.runs_.end(), begin,
                              [](size_t at, const Run& r) { return at < r.end; });
  for (; begin < end && run != other.runs_.end(); ++run) {
    const size_t stop = std::min(end, run->end);
    append(std::string_view(other.bytes_).substr(begin, stop - begin), run->origin);
    begin = stop;
  }
}

Text Text::range(size_t begin, size_t end) const {
  Text result;
  if (begin < end) {
    result.reserve(end - begin);
    result.append_range(*this, begin, end);
  }
  return result;
}

}  // namespace lazyllm::jinja
