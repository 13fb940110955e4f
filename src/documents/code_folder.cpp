// SPDX-License-Identifier: Apache-2.0
#include "documents/code_folder.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "documents/private_folder.h"
#include "documents/run_program.h"
#include "lazyllm/document.h"

namespace lazyllm::documents {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostNamed = 5;

class Git {
 public:
  Git(const fs::path& folder, const ConversionLimits& limits)
      : folder_(fs::canonical(folder)), limits_(limits), program_(find_program("git")) {
    if (!program_) {
      fail(ErrorCode::unsupported,
           "{} is a folder; git, which tells what in it is to be left out, is not installed. "
           "Install the package git: apt install git",
           folder.string());
    }
  }

  /// Paths in the folder, sorted.
  std::vector<std::string> files() const {
    ProgramEnd end = list({});
    if (!end.succeeded()) {
      // In no work tree: an empty repository elsewhere reads the folder's .gitignore files.
      const std::string repository = (scratch_.path() / "repository").string();
      run({"init", "--quiet", "--bare", repository});
      end = list({"--git-dir=" + repository, "--work-tree=" + folder_.string()});
    }
    if (!end.succeeded()) {
      fail(ErrorCode::io, "{}: git cannot list the folder: {}", folder_.string(),
           end.complaint.substr(0, end.complaint.find('\n')));
    }
    std::vector<std::string> paths;
    for (size_t begin = 0; begin < end.output.size();) {
      const size_t zero = std::min(end.output.find('\0', begin), end.output.size());
      paths.push_back(end.output.substr(begin, zero - begin));
      begin = zero + 1;
    }
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    return paths;
  }

 private:
  ProgramEnd run(std::vector<std::string> arguments) const {
    // A repository's own settings may name programs.
    std::vector<std::string> all = {"-c", "core.fsmonitor=false", "-C", folder_.string()};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return run_program(*program_, all, scratch_.path(), limits_);
  }
  ProgramEnd list(std::vector<std::string> arguments) const {
    for (const char* argument :
         {"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "."}) {
      arguments.emplace_back(argument);
    }
    return run(std::move(arguments));
  }

  fs::path folder_;
  ConversionLimits limits_;
  std::optional<fs::path> program_;
  PrivateFolder scratch_;
};

std::string named(const std::vector<std::string>& paths) {
  std::string text;
  for (size_t i = 0; i < std::min(paths.size(), kMostNamed); ++i) {
    text += (i > 0 ? ", " : "") + paths[i];
  }
  return text + (paths.size() > kMostNamed ? ", ..." : "");
}

}  // namespace

Document read_code_folder(const fs::path& folder, const ConversionLimits& limits) {
  Document document;
  std::vector<std::string> left_out;
  size_t taken = 0;
  for (const std::string& path : Git(folder, limits).files()) {
    const fs::path file = folder / path;
    std::error_code error;
    const fs::file_status status = fs::symlink_status(file, error);
    if (fs::is_directory(status) || !fs::exists(status))
      continue;  // of another repository; deleted
    if (!fs::is_regular_file(status) || find_invalid_utf8(path) != path.npos) {
      left_out.push_back(path);
      continue;
    }
    if (fs::file_size(file, error) == 0) continue;
    std::string text;
    try {
      text = read_document(file);
    } catch (const Error&) {
      left_out.push_back(path);
      continue;
    }
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (!document.text.empty()) document.text += "\n";
    document.text += "## " + path + "\n\n" + text + "\n";
    ++taken;
    if (document.text.size() > limits.output_bytes) {
      fail(ErrorCode::invalid_input,
           "{} has more than {} MiB of text; no model reads that much. Name a part of it.",
           folder.string(), limits.output_bytes >> 20);
    }
  }
  if (taken == 0) {
    fail(ErrorCode::invalid_input, "{} is a folder without a text in it. Name another one.",
         folder.string());
  }
  document.notes.push_back(fmt::format("{}: {} files were read", folder.string(), taken));
  if (!left_out.empty()) {
    document.notes.back() +=
        fmt::format("; {} left out, no texts: {}", left_out.size(), named(left_out));
  }
  return document;
}

}  // namespace lazyllm::documents
