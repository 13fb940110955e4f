// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/error.h"

namespace lazyllm::formats {

/// Builds files byte by byte, so that tests can say things no writer would.
class ByteBuilder {
 public:
  template <typename T>
  ByteBuilder& put(T value) {
    static_assert(std::is_arithmetic_v<T>);
    text_.append(reinterpret_cast<const char*>(&value), sizeof(T));
    return *this;
  }
  ByteBuilder& u8(uint8_t value) { return put(value); }
  ByteBuilder& u32(uint32_t value) { return put(value); }
  ByteBuilder& u64(uint64_t value) { return put(value); }
  ByteBuilder& f32(float value) { return put(value); }
  ByteBuilder& raw(std::string_view bytes) {
    text_ += bytes;
    return *this;
  }
  /// A length of 8 bytes, then the text.
  ByteBuilder& string(std::string_view text) { return u64(text.size()).raw(text); }
  ByteBuilder& pad(size_t alignment) {
    text_.resize((text_.size() + alignment - 1) / alignment * alignment, '\0');
    return *this;
  }

  const std::string& text() const { return text_; }
  std::span<const std::byte> bytes() const { return std::as_bytes(std::span<const char>(text_)); }

 private:
  std::string text_;
};

/// A folder of its own under the test's temporary folder, removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::path(testing::TempDir()) / "lazyllm_XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path write(const std::string& name, std::string_view content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  std::filesystem::path path_;
};

/// Runs `action`, which must throw Error of this code with all these words in it.
template <typename Action>
void expect_error(ErrorCode code, const std::vector<std::string>& words, Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    for (const std::string& word : words) {
      EXPECT_THAT(std::string(error.what()), testing::HasSubstr(word));
    }
    return;
  }
  ADD_FAILURE() << "no error; expected one with: " << testing::PrintToString(words);
}

}  // namespace lazyllm::formats
