// SPDX-License-Identifier: Apache-2.0
#include "arguments.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "lazyllm/error.h"

namespace lazyllm::cli {
namespace {

/// llama.cpp's flags with one dash and several letters, which CLI11 does not know.
const std::map<std::string, std::string>& long_forms() {
  static const std::map<std::string, std::string> forms = {
      {"-ctk", "--cache-type-k"}, {"-ctv", "--cache-type-v"}, {"-sys", "--system-prompt"},
      {"-np", "--parallel"},      {"-cram", "--cache-ram"},   {"-hf", "--hf-repo"},
      {"-hfr", "--hf-repo"}};
  return forms;
}

/// Flags of llama.cpp for what is not here. CLI11 would take "-ngl 99" for "-n gl".
const std::map<std::string, std::string>& absent() {
  static const char* const kNoGpu =
      "there is no GPU back end; all layers run on the processor. Leave the flag out";
  static const std::map<std::string, std::string> flags = {
      {"-ngl", kNoGpu}, {"--gpu-layers", kNoGpu}, {"--n-gpu-layers", kNoGpu}};
  return flags;
}

/// What stands behind these is text of the user's, whatever it looks like.
bool takes_text(const std::string& flag) {
  for (const char* name : {"-p", "--prompt", "-r", "--stop", "--reverse-prompt", "-sys",
                           "--system-prompt", "-f", "--file"}) {
    if (flag == name) return true;
  }
  return false;
}

size_t changes_between(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

void require_command(const std::string& word, const std::vector<std::string>& commands) {
  if (std::find(commands.begin(), commands.end(), word) != commands.end()) return;
  const std::string near = nearest(word, commands);
  throw Error(ErrorCode::usage,
              fmt::format("there is no command '{}'{}; lazyllm help lists them", word,
                          near.empty() ? "" : fmt::format(". Did you mean '{}'?", near)));
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& names) {
  std::string best;
  size_t fewest = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t changes = changes_between(word, name);
    if (changes >= fewest) continue;
    fewest = changes;
    best = name;
  }
  return best;
}

std::vector<std::string> normalise_arguments(const std::vector<std::string>& arguments,
                                             const std::vector<std::string>& commands) {
  std::vector<std::string> result;
  if (!arguments.empty() && arguments[0] == "help") {
    if (arguments.size() > 1) {
      require_command(arguments[1], commands);
      result.push_back(arguments[1]);
    }
    result.emplace_back("--help");
    return result;
  }
  if (!arguments.empty() && !arguments[0].empty() && arguments[0][0] != '-') {
    require_command(arguments[0], commands);
  }
  std::string before;
  for (const std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (const auto found = absent().find(flag); found != absent().end() && !takes_text(before)) {
      throw Error(ErrorCode::usage, fmt::format("{}: {}", flag, found->second));
    }
    const auto form = long_forms().find(flag);
    const bool is_flag = form != long_forms().end() && !takes_text(before);
    result.push_back(is_flag                    ? form->second + argument.substr(flag.size())
                     : argument == "--help-all" ? std::string("--help")
                                                : argument);
    before = argument;
  }
  return result;
}

}  // namespace lazyllm::cli
