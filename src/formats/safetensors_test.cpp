// SPDX-License-Identifier: Apache-2.0
#include "formats/safetensors.h"

#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

std::string file_of(const std::string& header, size_t data_bytes) {
  return ByteBuilder().string(header).raw(std::string(data_bytes, '\1')).text();
}

std::vector<SafetensorsEntry> parse(std::string_view file) {
  return parse_safetensors(std::as_bytes(std::span<const char>(file)), "w.safetensors");
}

void expect_refused(const std::string& file, const std::vector<std::string>& words) {
  expect_error(ErrorCode::invalid_file, words, [&] { parse(file); });
}

const char* const kTwoTensors = R"({"__metadata__":{"format":"pt"},)"
                                R"("b":{"dtype":"BF16","shape":[2,2],"data_offsets":[16,24]},)"
                                R"("a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}})";

TEST(Safetensors, ReadsTensorsInTheOrderOfTheirData) {
  const std::string file = file_of(kTwoTensors, 24);  // with a gap of 4 bytes
  const auto entries = parse(file);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(entries[0].name, "a");
  EXPECT_EQ(entries[0].data.size(), 12u);
  EXPECT_EQ(entries[1].shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(safetensors_storage_type(entries[1], "w"), StorageType::bf16);
}

TEST(Safetensors, RefusesAFileCutAnywhere) {
  const std::string whole = file_of(kTwoTensors, 24);
  for (size_t length = 0; length < whole.size(); ++length) {
    SCOPED_TRACE(length);
    const std::vector<char> cut(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(length));
    expect_refused(std::string(cut.begin(), cut.end()), {"w.safetensors"});
  }
}

TEST(Safetensors, SurvivesEveryFlippedByte) {
  const std::string whole = file_of(kTwoTensors, 24);
  for (size_t place = 0; place < whole.size(); ++place) {
    for (const int flip : {0x01, 0x10, 0x80}) {
      std::string changed = whole;
      changed[place] = static_cast<char>(changed[place] ^ flip);
      try {
        parse(changed);
      } catch (const Error&) {
      }
    }
  }
}

TEST(Safetensors, RefusesBadHeaders) {
  expect_refused(ByteBuilder().u64(~uint64_t{0}).raw("{}").text(), {"header claims"});
  expect_refused(ByteBuilder().u64(200'000'000).raw("{}").text(), {"header claims 200000000"});
  expect_refused(file_of("[]", 0), {"not an object"});
  expect_refused(file_of("{\"a\":", 0), {"not valid JSON"});
  expect_refused(file_of("{\"a\":1e999}", 0), {"JSON"});
  expect_refused(file_of("{\"a\":{}}", 0), {"\"a\"", "lacks"});
  expect_refused(file_of("{\"a\":null}", 0), {"\"a\""});
  expect_refused(file_of("{\"a\":7}", 0), {"\"a\""});
  expect_refused(file_of(std::string(100000, '['), 0), {"nested"});
  expect_refused(file_of(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},)"
                         R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})",
                         4),
                 {"\"a\" is there twice"});
}

TEST(Safetensors, RefusesBadTensors) {
  const auto refuse = [](const std::string& shape, const std::string& offsets,
                         const std::vector<std::string>& words) {
    const std::string header =
        R"({"t":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
    expect_refused(file_of(header, 16), words);
  };
  refuse("[4]", "[0,12]", {"takes 16 bytes", "span 12"});
  refuse("[4]", "[4,20]", {"bytes 4 to 20", "has 16"});
  refuse("[4]", "[16,0]", {"bytes 16 to 0"});
  refuse("[4]", "[-4,12]", {"data_offsets", "-4"});
  refuse("[4]", "[0,12,16]", {"two data_offsets"});
  refuse("[4611686018427387904,4]", "[0,16]", {"2^63"});
  refuse("[-4]", "[0,16]", {"shape", "-4"});
  refuse("[4.5]", "[0,16]", {"shape", "integer"});
  refuse("[18446744073709551615]", "[0,16]", {"shape", "integer"});
}

TEST(Safetensors, OtherTypesAreNamedWhenNeeded) {
  const std::string file =
      file_of(R"({"t":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", 4);
  const auto entries = parse(file);
  expect_error(ErrorCode::unsupported, {"\"t\"", "F8_E4M3", "BF16"},
               [&] { safetensors_storage_type(entries[0], "w"); });
}

}  // namespace
}  // namespace lazyllm::formats
