// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_parser.h"

#include <cstring>
#include <limits>

#include "formats/gguf_layout.h"
#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

constexpr uint32_t kU32 = 4, kString = 8, kArray = 9;
constexpr uint32_t kF32Type = 0, kQ4KType = 12;

ByteBuilder start(uint64_t tensors, uint64_t pairs, uint32_t version = 3) {
  ByteBuilder file;
  file.u32(kGgufMagic).u32(version).u64(tensors).u64(pairs);
  return file;
}

ByteBuilder& tensor(ByteBuilder& file, std::string_view name, const std::vector<uint64_t>& dims,
                    uint32_t type = kF32Type, uint64_t offset = 0) {
  file.string(name).u32(static_cast<uint32_t>(dims.size()));
  for (const uint64_t extent : dims) file.u64(extent);
  return file.u32(type).u64(offset);
}

GgufContents parse(const ByteBuilder& file) {
  return parse_gguf(file.bytes(), "m.gguf");
}

void expect_refused(const ByteBuilder& file, const std::vector<std::string>& words,
                    ErrorCode code = ErrorCode::invalid_file) {
  expect_error(code, words, [&] { parse(file); });
}

/// One pair of every kind and two tensors.
ByteBuilder small_valid_file() {
  ByteBuilder file = start(2, 14);
  file.string("u8").u32(0).put<uint8_t>(200);
  file.string("i8").u32(1).put<int8_t>(-5);
  file.string("u16").u32(2).put<uint16_t>(60000);
  file.string("i16").u32(3).put<int16_t>(-300);
  file.string("u32").u32(4).put<uint32_t>(4000000000u);
  file.string("i32").u32(5).put<int32_t>(-70000);
  file.string("f32").u32(6).put<float>(0.5f);
  file.string("bool").u32(7).u8(1);
  file.string("string").u32(8).string("text");
  file.string("integers").u32(9).u32(3).u64(2).put<int16_t>(-1).put<int16_t>(2);
  file.string("strings").u32(9).u32(8).u64(2).string("a").string("");
  file.string("u64").u32(10).u64(std::numeric_limits<uint64_t>::max());
  file.string("i64").u32(11).put<int64_t>(-1);
  file.string("f64").u32(12).put<double>(0.1);
  tensor(file, "a", {3, 2});
  tensor(file, "b", {2}, kF32Type, 32);
  file.pad(32);
  for (int i = 0; i < 6; ++i) file.f32(static_cast<float>(i));
  file.pad(32).f32(7).f32(8);
  return file;
}

TEST(GgufParser, ReadsEveryKindOfValue) {
  const ByteBuilder file = small_valid_file();
  const GgufContents contents = parse(file);
  const Metadata expected = {{"u8", int64_t{200}},
                             {"i8", int64_t{-5}},
                             {"u16", int64_t{60000}},
                             {"i16", int64_t{-300}},
                             {"u32", int64_t{4000000000}},
                             {"i32", int64_t{-70000}},
                             {"f32", 0.5},
                             {"bool", true},
                             {"string", std::string("text")},
                             {"integers", std::vector<int64_t>{-1, 2}},
                             {"strings", std::vector<std::string>{"a", ""}},
                             {"u64", std::numeric_limits<uint64_t>::max()},
                             {"i64", int64_t{-1}},
                             {"f64", 0.1}};
  EXPECT_EQ(contents.metadata, expected);
  ASSERT_EQ(contents.tensors.size(), 2u);
  EXPECT_EQ(contents.tensors[0].shape, (std::vector<int64_t>{2, 3}));  // outermost first
  EXPECT_EQ(contents.tensors[0].data.size(), 24u);
  float last = 0;
  std::memcpy(&last, contents.tensors[1].data.data() + 4, 4);
  EXPECT_EQ(last, 8.0f);
}

TEST(GgufParser, RefusesAFileCutAnywhere) {
  const std::string whole = small_valid_file().text();
  for (size_t length = 0; length < whole.size(); ++length) {
    // A copy of exactly that length, so that the sanitizer sees any read past it.
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    SCOPED_TRACE(length);
    expect_error(ErrorCode::invalid_file, {"m.gguf: "},
                 [&] { parse_gguf(std::as_bytes(std::span<const char>(cut)), "m.gguf"); });
  }
}

TEST(GgufParser, SurvivesEveryFlippedByte) {
  const std::string whole = small_valid_file().text();
  for (size_t place = 0; place < whole.size(); ++place) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      std::string changed = whole;
      changed[place] = static_cast<char>(changed[place] ^ flip);
      try {
        parse_gguf(std::as_bytes(std::span<const char>(changed)), "m.gguf");
      } catch (const Error&) {  // either is fine; anything else is not
      }
    }
  }
}

TEST(GgufParser, VersionsAndByteOrder) {
  EXPECT_TRUE(parse(start(0, 0, 2)).tensors.empty());
  expect_refused(start(0, 0, 1), {"GGUF version 1 is not supported"}, ErrorCode::unsupported);
  expect_refused(start(0, 0, 4), {"GGUF version 4"}, ErrorCode::unsupported);
  expect_refused(start(0, 0, 0x03000000), {"big-endian"}, ErrorCode::unsupported);
  expect_refused(ByteBuilder().raw("GGML").u32(3), {"no GGUF file", "47474d4c"});
}

TEST(GgufParser, RefusesAbsurdCounts) {
  const uint64_t huge = std::numeric_limits<uint64_t>::max();
  expect_refused(start(huge, 0), {"the number of tensors at byte 8"});
  expect_refused(start(0, huge), {"the number of metadata keys at byte 16"});
  ByteBuilder key = start(0, 1);
  key.u64(huge).raw(std::string(64, 'k'));
  expect_refused(key, {"the name of metadata key number 0"});
  for (uint32_t type : {0u, 3u, 4u, 6u, 7u, 8u, 10u, 12u}) {
    ByteBuilder array = start(0, 1);
    array.string("list").u32(kArray).u32(type).u64(huge / 2).raw(std::string(64, '\0'));
    expect_refused(array, {"metadata key \"list\"", "elements"});
  }
  ByteBuilder dims = start(1, 0);
  dims.string("t").u32(0xffffffff).raw(std::string(64, '\1'));
  expect_refused(dims, {"4294967295 dimensions", "tensor \"t\""});
}

TEST(GgufParser, RefusesBadMetadata) {
  ByteBuilder twice = start(0, 2);
  twice.string("k").u32(kU32).u32(1).string("k").u32(kU32).u32(1);
  expect_refused(twice, {"\"k\"", "twice"});
  ByteBuilder nested = start(0, 1);
  nested.string("k").u32(kArray).u32(kArray).u64(1).u32(kU32).u64(1).u32(1);
  expect_refused(nested, {"array of arrays", "\"k\""}, ErrorCode::unsupported);
  ByteBuilder type = start(0, 1);
  type.string("k").u32(13).u64(0);
  expect_refused(type, {"value type 13"});
  ByteBuilder truth = start(0, 1);
  truth.string("k").u32(7).u8(2).u64(0);
  expect_refused(truth, {"boolean of value 2"});
  ByteBuilder empty = start(0, 1);
  empty.string("").u32(kU32).u32(1);
  expect_refused(empty, {"name of 0 bytes"});
  ByteBuilder large = start(0, 1);
  large.string("k").u32(kArray).u32(10).u64(1).u64(std::numeric_limits<uint64_t>::max());
  expect_refused(large, {"above 2^63"});
}

TEST(GgufParser, RefusesBadAlignment) {
  for (const uint32_t alignment : {0u, 4u, 24u}) {
    ByteBuilder file = start(0, 1);
    file.string("general.alignment").u32(kU32).u32(alignment);
    expect_refused(file, {"general.alignment"});
  }
  ByteBuilder file = start(0, 1);
  file.string("general.alignment").u32(kString).string("32");
  expect_refused(file, {"general.alignment"});
  ByteBuilder offset = start(1, 0);
  tensor(offset, "t", {1}, kF32Type, 4).pad(32).raw(std::string(64, '\0'));
  expect_refused(offset, {"offset 4, not a multiple of 32", "\"t\""});
}

TEST(GgufParser, RefusesBadTensors) {
  const auto refuse = [](const std::vector<uint64_t>& dims, uint32_t type, uint64_t offset,
                         const std::vector<std::string>& words,
                         ErrorCode code = ErrorCode::invalid_file) {
    ByteBuilder file = start(1, 0);
    tensor(file, "t", dims, type, offset).pad(32).raw(std::string(256, '\0'));
    expect_refused(file, words, code);
  };
  const uint64_t large = uint64_t{1} << 62;
  refuse({}, kF32Type, 0, {"0 dimensions"});
  refuse({1, 1, 1, 1, 1}, kF32Type, 0, {"5 dimensions"});
  refuse({4, 0}, kF32Type, 0, {"dimension 1", "is 0"});
  refuse({large, 4}, kF32Type, 0, {"2^63 values"});
  refuse({large, 1}, kF32Type, 0, {"2^63 bytes"});
  refuse({uint64_t{1} << 63}, kF32Type, 0, {"not a length"});
  refuse({128}, kQ4KType, 0, {"rows of 128", "blocks of 256", "Q4_K"});
  refuse({65}, kF32Type, 0, {"needs 260 bytes from offset 0", "has 256"});
  refuse({1}, kF32Type, 256, {"from offset 256"});
  refuse({1}, kF32Type, std::numeric_limits<uint64_t>::max() - 31, {"truncated"});
  refuse({1}, 26, 0, {"tensor \"t\" is stored as I32", "Q4_K"}, ErrorCode::unsupported);
  refuse({256}, 16, 0, {"IQ2_XXS"}, ErrorCode::unsupported);
  refuse({32}, 4, 0, {"Q4_2 (removed)"}, ErrorCode::unsupported);
  refuse({32}, 4711, 0, {"type 4711"}, ErrorCode::unsupported);
  ByteBuilder twice = start(2, 0);
  tensor(twice, "t", {1});
  tensor(twice, "t", {1}).pad(32).raw(std::string(64, '\0'));
  expect_refused(twice, {"\"t\" is there twice"});
  ByteBuilder name = start(1, 0);
  tensor(name, std::string(65, 'n'), {1}).pad(32).raw(std::string(64, '\0'));
  expect_refused(name, {"name of 65 bytes"});
}

TEST(GgufParser, TensorsMayOverlap) {
  ByteBuilder file = start(2, 0);
  tensor(file, "a", {8});
  tensor(file, "b", {8}).pad(32).raw(std::string(32, '\0'));
  const GgufContents contents = parse(file);
  EXPECT_EQ(contents.tensors[0].data.data(), contents.tensors[1].data.data());
}

TEST(GgufParser, NamesFromAFileCannotWriteToATerminal) {
  ByteBuilder file = start(1, 0);
  tensor(file, "\x1b[2J\n", {1}, 26);
  expect_refused(file, {"\"\\x1b[2J\\x0a\""}, ErrorCode::unsupported);
}

}  // namespace
}  // namespace lazyllm::formats
