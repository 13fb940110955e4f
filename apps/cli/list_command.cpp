// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "commands.h"
#include "lazyllm/model_store.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

namespace fs = std::filesystem;

/// Model files of the folder that have no name here.
std::vector<std::string> other_files(const fs::path& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder, error)) {
    const std::string file = entry.path().filename().string();
    const auto is_it = [&](const KnownModel& model) { return file == model.file; };
    if (entry.path().extension() != ".gguf") continue;
    if (std::none_of(known_models().begin(), known_models().end(), is_it))
      files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void list_models() {
  const fs::path folder = models_folder();
  std::string out =
      fmt::format("{:<20} {:>8} {:>8}  {:<10} {}\n", "name", "MB", "context", "licence", "here");
  for (const KnownModel& model : known_models()) {
    std::error_code error;
    const bool here = fs::exists(folder / model.file, error);
    out += fmt::format("{:<20} {:>8} {:>8}  {:<10} {}\n", model.name, model.megabytes,
                       model.context, model.licence, here ? "yes" : "no");
  }
  for (const std::string& file : other_files(folder)) {
    out += file + "\n";
  }
  out += fmt::format(
      "\nThe models lie in {} (set LAZYLLM_MODELS to change that).\n"
      "lazyllm pull NAME or tools/fetch-model NAME fetches one; then give its name to -m. Any "
      "other "
      ".gguf file goes to -m by its path.\n",
      folder.string());
  write_out(out);
}

}  // namespace

void add_list_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("list", "models that have a name, and which are here");
  command->footer("Example:\n  lazyllm list");
  command->callback(list_models);
}

}  // namespace lazyllm::cli
