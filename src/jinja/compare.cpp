// SPDX-License-Identifier: Apache-2.0
// Python's == and < between values.
#include <cmath>

#include "jinja/value.h"

namespace lazyllm::jinja {
namespace {

/// NaN gives 2. long double holds every int64 and every double on the platforms
/// where it is wider; elsewhere integers over 2^53 may compare equal to a neighbour.
int compare_numbers(const Value& left, const Value& right) {
  if (left.is_integral() && right.is_integral()) {
    return left.integer() < right.integer() ? -1 : left.integer() > right.integer();
  }
  const auto widen = [](const Value& v) {
    return v.is_integral() ? static_cast<long double>(v.integer())
                           : static_cast<long double>(v.number());
  };
  const long double a = widen(left), b = widen(right);
  if (std::isnan(a) || std::isnan(b)) return 2;
  return a < b ? -1 : a > b;
}

bool equal_dicts(const Entries& left, const Entries& right, Budget& budget) {
  if (left.size() != right.size()) return false;
  for (const auto& [key, item] : left) {
    const Value* other = find_entry(right, key, budget);
    if (other == nullptr || !equal(item, *other, budget)) return false;
  }
  return true;
}

bool equal_ranges(const RangeObject& left, const RangeObject& right) {
  const int64_t length = left.length();
  if (length != right.length()) return false;
  return length == 0 || (left.start == right.start && (length == 1 || left.step == right.step));
}

}  // namespace

bool equal(const Value& left, const Value& right, Budget& budget) {
  if (left.is_number() && right.is_number()) return compare_numbers(left, right) == 0;
  if (left.kind() != right.kind()) return false;
  switch (left.kind()) {
    case Value::Kind::undefined:
    case Value::Kind::none:
      return true;
    case Value::Kind::string: {
      const std::string &a = left.text().bytes(), &b = right.text().bytes();
      if (a.size() != b.size()) return false;
      budget.charge(a.size() / 16);
      return a == b;
    }
    case Value::Kind::list:
    case Value::Kind::tuple: {
      const Values &a = left.items(), &b = right.items();
      if (a.size() != b.size()) return false;
      budget.charge(a.size() * 8);
      for (size_t i = 0; i < a.size(); ++i) {
        if (!equal(a[i], b[i], budget)) return false;
      }
      return true;
    }
    case Value::Kind::dict:
      return equal_dicts(left.entries(), right.entries(), budget);
    case Value::Kind::range:
      return equal_ranges(left.range(), right.range());
    default:
      return left.same_as(right);
  }
}

int compare(const Value& left, const Value& right, Budget& budget) {
  if (left.is_number() && right.is_number()) return compare_numbers(left, right);
  if (left.is_string() && right.is_string()) {
    // Bytes of UTF-8 sort as code points do.
    const std::string &a = left.text().bytes(), &b = right.text().bytes();
    budget.charge(std::min(a.size(), b.size()) / 16);
    const int order = a.compare(b);
    return order < 0 ? -1 : order > 0;
  }
  if (left.is_sequence() && left.kind() == right.kind()) {
    const Values &a = left.items(), &b = right.items();
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      budget.charge(8);
      if (!equal(a[i], b[i], budget)) return compare(a[i], b[i], budget);
    }
    return a.size() < b.size() ? -1 : a.size() > b.size();
  }
  if (left.is_undefined()) refuse("{}", left.why_undefined());
  if (right.is_undefined()) refuse("{}", right.why_undefined());
  refuse("a {} and a {} have no order", type_name(left), type_name(right));
}

}  // namespace lazyllm::jinja
