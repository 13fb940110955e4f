// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "lazyllm/error.h"

namespace lazyllm {
namespace {

using namespace std::string_literals;
using testing::AllOf;
using testing::HasSubstr;

std::filesystem::path write(const std::string& name, const std::string& bytes) {
  const auto path = std::filesystem::path(testing::TempDir()) / name;
  std::ofstream(path, std::ios::binary) << bytes;
  return path;
}

/// The message with which `bytes` in a file of that name are refused; empty if they are not.
std::string refusal(const std::string& name, const std::string& bytes) {
  const auto path = write(name, bytes);
  try {
    read_document(path);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

TEST(Document, DropsTheByteOrderMarkAndCarriageReturns) {
  EXPECT_EQ(read_document(write("mark.txt", "\xef\xbb\xbfone\r\ntwo\r\n\r\n")), "one\ntwo\n\n");
  EXPECT_EQ(read_document(write("lone.txt", "50%\r100%\n\r")), "50%\r100%\n\r");
  EXPECT_EQ(decode_document("", "the prompt"), "");
}

TEST(Document, ConvertsWideTextsWithAMark) {
  const std::string expected = "a\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";  // a, é, €, an emoji
  EXPECT_EQ(decode_document("\xff\xfe"
                            "a\0\r\0\n\0\xe9\0\xac\x20\x3d\xd8\x00\xde"s,
                            "t"),
            expected);
  EXPECT_EQ(decode_document("\xfe\xff\0a\0\r\0\n\0\xe9\x20\xac\xd8\x3d\xde\x00"s, "t"), expected);
  EXPECT_EQ(decode_document("\xff\xfe\0\0"
                            "a\0\0\0\n\0\0\0"s,
                            "t"),
            "a\n");
  EXPECT_EQ(decode_document("\0\0\xfe\xff\0\0\0a\0\x01\xf6\x00"s, "t"), "a\xf0\x9f\x98\x80");
}

TEST(Document, NamesDamageInWideTexts) {
  EXPECT_THAT(refusal("odd.txt",
                      "\xff\xfe"
                      "a"),
              HasSubstr("odd.txt is UTF-16 by its first bytes but damaged at byte 2"));
  EXPECT_THAT(refusal("half.txt",
                      "\xff\xfe"
                      "a\0\x3d\xd8"s),
              HasSubstr("damaged at byte 4"));
  EXPECT_THAT(refusal("pair.txt",
                      "\xff\xfe\x3d\xd8"
                      "a\0"s),
              HasSubstr("damaged at byte 2"));
  EXPECT_THAT(refusal("high.txt", "\xff\xfe\0\0\0\0\x11\0"s), HasSubstr("damaged at byte 4"));
}

TEST(Document, SaysWhatAFileIsAndHowToConvertIt) {
  EXPECT_THAT(
      refusal("report.pdf", "%PDF-1.7\n\xe2\xe3\n"),
      AllOf(HasSubstr("report.pdf is a PDF. Convert it: pdftotext "), HasSubstr("report.txt")));
  EXPECT_THAT(refusal("late.pdf", "\n\xff\n%PDF-1.7"), HasSubstr("is a PDF"));
  EXPECT_THAT(refusal("a b.docx",
                      "PK\x03\x04"
                      "....word/document.xml"),
              AllOf(HasSubstr("a Word document"), HasSubstr("a b.docx'")));
  EXPECT_THAT(refusal("text.gz", "\x1f\x8b\x08"), HasSubstr("gunzip -c"));
  EXPECT_THAT(refusal("photo.png", "\x89PNG\r\n\x1a\n"), HasSubstr("a picture (PNG)"));
  EXPECT_THAT(refusal("wide.txt", "h\0e\0l\0l\0o\0"s),
              AllOf(HasSubstr("UTF-16 without"), HasSubstr("iconv -f UTF-16LE")));
  EXPECT_THAT(refusal("old.txt", "caf\xe9 au lait"),
              AllOf(HasSubstr("byte 3 (0xe9)"), HasSubstr("iconv -f WINDOWS-1252"),
                    HasSubstr("old-utf8.txt")));
  EXPECT_THAT(refusal("zero.txt", "a long line of text\0and more"s), HasSubstr("byte 19 is zero"));
  EXPECT_THAT(refusal("binary", "\x01\x02\x03\xff\x04\x05"), HasSubstr("binary data"));
  EXPECT_EQ(refusal("words.txt", "GGUF and BZh begin words"), "");
}

TEST(Document, RefusesWhatIsEmpty) {
  EXPECT_THAT(refusal("nothing.txt", ""), HasSubstr("nothing.txt is empty"));
  EXPECT_THAT(refusal("mark_only.txt", "\xef\xbb\xbf"), HasSubstr("only blank lines"));
  EXPECT_THAT(refusal("scanned.txt", "\f \r\n\f\n"), HasSubstr("only blank lines"));
  EXPECT_THROW(read_document("/nonexistent.txt"), Error);
  EXPECT_THROW(read_document(testing::TempDir()), Error);
}

TEST(Document, EndsWithEndlessFiles) {
  EXPECT_THROW(read_document("/dev/zero"), Error);
}

TEST(Document, ReadsAPipeToItsEnd) {
  const auto path = std::filesystem::path(testing::TempDir()) / "document_fifo";
  std::filesystem::remove(path);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  const std::string text = std::string(300000, 'x') + "end\n";
  std::thread writer([&] { std::ofstream(path, std::ios::binary) << text; });
  EXPECT_EQ(read_document(path), text);
  writer.join();
}

TEST(Document, KnowsTheStandardInput) {
  EXPECT_TRUE(is_standard_input("-"));
  EXPECT_TRUE(is_standard_input("/dev/stdin"));
  EXPECT_FALSE(is_standard_input(write("other.txt", "x")));
  EXPECT_FALSE(is_standard_input("/nonexistent.txt"));
}

}  // namespace
}  // namespace lazyllm
