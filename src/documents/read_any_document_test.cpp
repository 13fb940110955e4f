// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "documents/private_folder.h"
#include "documents/run_program.h"
#include "lazyllm/document_reader.h"
#include "lazyllm/error.h"

namespace lazyllm {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

namespace fs = std::filesystem;

/// A PDF with these lines on its one page, none: an empty one.
std::string pdf_of(const std::vector<std::string>& lines) {
  std::string page = "BT /F1 12 Tf 72 720 Td 14 TL\n";
  for (const std::string& line : lines) page += "(" + line + ") Tj T*\n";
  page += "ET\n";
  std::string pdf = "%PDF-1.4\n";
  std::vector<size_t> places;
  const auto object = [&](const std::string& body) {
    places.push_back(pdf.size());
    pdf += std::to_string(places.size()) + " 0 obj\n" + body + "\nendobj\n";
  };
  object("<</Type/Catalog/Pages 2 0 R>>");
  object("<</Type/Pages/Kids[3 0 R]/Count 1>>");
  object(
      "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
      "/Resources<</Font<</F1 5 0 R>>>>>>");
  object("<</Length " + std::to_string(page.size()) + ">>stream\n" + page + "endstream");
  object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>");
  const size_t table = pdf.size();
  pdf += "xref\n0 6\n0000000000 65535 f \n";
  for (const size_t place : places) pdf += fmt::format("{:010} 00000 n \n", place);
  return pdf + "trailer<</Size 6/Root 1 0 R>>\nstartxref\n" + std::to_string(table) + "\n%%EOF\n";
}

std::string refusal(const std::string& bytes, const std::string& name,
                    const ConversionLimits& limits = {}) {
  try {
    return "read: " + to_document(bytes, name, limits).text;
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(ReadAnyDocument, DamagedUtf8IsNotTakenForAnOlderEncoding) {
  const std::string text = "Die B\xc3\xa4ume bl\xc3\xbchen sp\xc3\xa4t.";
  EXPECT_EQ(refusal(text, "t.txt"), "read: " + text);
  EXPECT_THAT(refusal(text.substr(0, 22), "t.txt"),
              AllOf(HasSubstr("t.txt is a text in UTF-8"), HasSubstr("at byte 21 (0xc3)")));
  EXPECT_THAT(refusal(text + "\xff", "t.txt"), HasSubstr("damaged or cut off"));
  EXPECT_EQ(refusal("Die B\xe4ume bl\xfchen sp\xe4t.", "t.txt"), "read: " + text);
}

/// A folder of programs that stand for others, alone in PATH beside the system's where wanted.
class FakePrograms {
 public:
  explicit FakePrograms(bool with_system = true) : old_(std::getenv("PATH")) {
    setenv("PATH", (folder_.path().string() + (with_system ? ":" + old_ : "")).c_str(), 1);
  }
  ~FakePrograms() { setenv("PATH", old_.c_str(), 1); }
  void add(const std::string& name, const std::string& script) {
    const fs::path program = folder_.path() / name;
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    fs::permissions(program, fs::perms::owner_all);
  }

 private:
  documents::PrivateFolder folder_;
  std::string old_;
};

TEST(ReadAnyDocument, ReadsTextsInOldEncodings) {
  const Document latin = to_document("caf\xe9 \x93quoted\x94 \x80\r\n", "old.txt");
  EXPECT_EQ(latin.text, "café “quoted” €\n");
  EXPECT_THAT(latin.notes, ElementsAre(HasSubstr("old.txt is not UTF-8; it was read as Windows")));
  EXPECT_EQ(to_document("c\0a\0f\0\xe9\0"s, "t").text, "café");
  EXPECT_EQ(to_document("\0c\0a\0f\0\xe9"s, "t").text, "café");
  EXPECT_EQ(to_document("\xff\xfe\x3d\xd8\x00\xde"s, "t").text, "😀");
  const Document marked = to_document("\xef\xbb\xbfone\r\ntwo", "t");
  EXPECT_EQ(marked.text, "one\ntwo");
  EXPECT_TRUE(marked.notes.empty());
}

TEST(ReadAnyDocument, RefusesWhatHasNoText) {
  EXPECT_THAT(refusal("", "e.txt"), HasSubstr("e.txt is empty"));
  EXPECT_THAT(refusal("\xef\xbb\xbf \r\n", "e.txt"), HasSubstr("only blank lines"));
  EXPECT_THAT(refusal("\x89PNG\r\n\x1a\n", "p.png"), HasSubstr("a picture (PNG)"));
  EXPECT_THAT(refusal("\x01\x02\x03\xff\x04\x05", "b"), HasSubstr("binary data"));
}

TEST(ReadAnyDocument, ReadsPdf) {
  if (!documents::find_program("pdftotext")) GTEST_SKIP() << "pdftotext is not installed";
  EXPECT_EQ(to_document(pdf_of({"The code is 4711.", "It is secret."}), "a.pdf").text,
            "The code is 4711.\nIt is secret.\n\n");
  EXPECT_THAT(refusal(pdf_of({}), "scan.pdf"),
              AllOf(HasSubstr("scan.pdf is a PDF without text"), HasSubstr("ocrmypdf")));
  EXPECT_THAT(
      refusal("%PDF-1.4\nnothing of the kind \xff", "bad.pdf"),
      AllOf(HasSubstr("bad.pdf is a PDF that pdftotext cannot read"), Not(HasSubstr("/tmp"))));
}

TEST(ReadAnyDocument, ReadsOfficeFormats) {
  const auto pandoc = documents::find_program("pandoc");
  if (!pandoc) GTEST_SKIP() << "pandoc is not installed";
  const documents::PrivateFolder folder;
  std::ofstream(folder.path() / "a.md") << "# Report\n\nThe *café* opens at nine.\n";
  for (const std::string format : {"docx", "odt", "epub", "rtf", "html"}) {
    const std::string name = "a." + format;
    ASSERT_TRUE(
        documents::run_program(*pandoc, {"-s", "a.md", "-o", name}, folder.path(), {}).succeeded());
    const std::string text = read_any_document(folder.path() / name).text;
    EXPECT_THAT(text, AllOf(HasSubstr("opens at nine."), HasSubstr("café"), Not(HasSubstr("<"))))
        << format;
  }
  EXPECT_THAT(to_document("<!DOCTYPE html>\n<p>caf\xe9</p><script>no()</script>", "page").text,
              AllOf(HasSubstr("café"), Not(HasSubstr("no()"))));
  EXPECT_THAT(refusal("<html><body><img src='x.png'></body></html>", "p.html"),
              testing::AnyOf(HasSubstr("without text"), HasSubstr("[")));
  EXPECT_THAT(refusal("PK\x03\x04 word/document.xml", "bad.docx"),
              HasSubstr("bad.docx is a Word document that pandoc cannot read"));
}

TEST(ReadAnyDocument, LeavesMarkdownAndSourceAlone) {
  const std::string text = "# A\n\n* b <i>c</i>\n";
  EXPECT_EQ(to_document(text, "a.md").text, text);
  EXPECT_EQ(to_document("puts '<html>'\n", "a.rb").text, "puts '<html>'\n");
}

TEST(ReadAnyDocument, NamesThePackageOfAMissingProgram) {
  const FakePrograms nothing(/*with_system=*/false);
  EXPECT_THAT(refusal(pdf_of({"x"}), "a.pdf"), HasSubstr("apt install poppler-utils"));
  EXPECT_THAT(refusal("<html>", "a"), HasSubstr("apt install pandoc"));
  EXPECT_THROW(read_any_document(testing::TempDir()), Error);
}

TEST(ReadAnyDocument, EndsAConverterThatHangsOrFloods) {
  FakePrograms programs;
  programs.add("pdftotext", "sleep 100");
  EXPECT_THAT(refusal(pdf_of({"x"}), "a.pdf", {.time = 300ms}),
              HasSubstr("was not ready with it after 0.3 s"));
  programs.add("pdftotext", "cat /dev/zero");
  EXPECT_THAT(refusal(pdf_of({"x"}), "a.pdf", {.output_bytes = 3u << 20}),
              HasSubstr("more than 3 MiB of text"));
  programs.add("pdftotext", "printf 'caf\\351'");
  EXPECT_THAT(refusal(pdf_of({"x"}), "a.pdf"), HasSubstr("not valid UTF-8"));
  programs.add("pdftotext", "kill -SEGV $$");
  EXPECT_THAT(refusal(pdf_of({"x"}), "a.pdf"), HasSubstr("cannot read"));
}

class CodeFolder : public testing::Test {
 protected:
  void SetUp() override {
    if (!documents::find_program("git")) GTEST_SKIP() << "git is not installed";
  }
  void write(const std::string& path, const std::string& bytes) {
    const fs::path file = folder_.path() / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
  }
  documents::PrivateFolder folder_;
};

TEST_F(CodeFolder, IsReadInOrderWithPathsAsHeadings) {
  write("src/b.c", "int b;\r\n\n");
  write("src/a.c", "int a;\n");
  write("README.md", "# Two numbers\n");
  write("build/out.c", "made\n");
  write(".gitignore", "build/\n");
  write("photo.png", "\x89PNG\r\n\x1a\n\0"s);
  write("empty.c", "");
  fs::create_symlink("/etc/hostname", folder_.path() / "link");
  const Document document = read_any_document(folder_.path());
  EXPECT_EQ(document.text,
            "## .gitignore\n\nbuild/\n\n## README.md\n\n# Two numbers\n\n## src/a.c\n\nint a;\n\n"
            "## src/b.c\n\nint b;\n");
  EXPECT_THAT(document.notes,
              ElementsAre(AllOf(HasSubstr("4 files were read"),
                                HasSubstr("2 left out, no texts: link, photo.png"))));
}

TEST_F(CodeFolder, OfARepositoryRunsNothingThatItNames) {
  const auto git = *documents::find_program("git");
  const std::string folder = folder_.path().string();
  ASSERT_TRUE(documents::run_program(git, {"init", "-q", folder}, folder, {}).succeeded());
  write("part/a.c", "int a;\n");
  write("part/b.o.c", "int b;\n");
  write(".gitignore", "*.o.c\n");
  write("trap.sh", "#!/bin/sh\ntouch " + folder + "/ran\n");
  fs::permissions(folder_.path() / "trap.sh", fs::perms::owner_all);
  ASSERT_TRUE(documents::run_program(
                  git, {"-C", folder, "config", "core.fsmonitor", folder + "/trap.sh"}, folder, {})
                  .succeeded());
  EXPECT_EQ(read_any_document(folder_.path() / "part").text, "## a.c\n\nint a;\n");
  EXPECT_FALSE(fs::exists(folder_.path() / "ran"));
}

TEST_F(CodeFolder, WithoutTextsIsRefused) {
  try {
    read_any_document(folder_.path());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("a folder without a text in it"));
  }
}

}  // namespace
}  // namespace lazyllm
