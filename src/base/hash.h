// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

namespace lazyllm {

/// The 64-bit XXH3 hash of bytes that come piece by piece. Finds accidents, not attackers.
class Hash {
 public:
  Hash();

  void add(std::span<const std::byte> bytes);
  /// A number's bytes as they lie in memory.
  template <typename T>
  requires std::is_integral_v<T> || std::is_enum_v<T>
  void add(T value) { add(std::as_bytes(std::span(&value, 1))); }
  /// Its length too, so that "ab", "c" differs from "a", "bc".
  void add_text(std::string_view text) {
    add(uint64_t{text.size()});
    add(std::as_bytes(std::span(text)));
  }
  /// Of all that was added so far.
  uint64_t value() const;

 private:
  struct State;
  struct Free {
    void operator()(State* state) const;
  };
  std::unique_ptr<State, Free> state_;
};

}  // namespace lazyllm
