// SPDX-License-Identifier: Apache-2.0
#include "server/model_folder.h"

#include <algorithm>
#include <regex>
#include <vector>

namespace lazyllm::server {
namespace {

namespace fs = std::filesystem;

std::vector<fs::directory_entry> sorted_entries(const fs::path& folder) {
  std::vector<fs::directory_entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    entries.push_back(*it);
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

bool is_gguf(const fs::directory_entry& entry) {
  std::error_code error;
  const std::string name = entry.path().filename().string();
  return entry.is_regular_file(error) && name.ends_with(".gguf") && !name.starts_with("mmproj");
}

/// "x-00002-of-00003.gguf": a part; its first one stands for all.
bool is_later_part(const std::string& name) {
  static const std::regex part(R"(-(\d{5})-of-\d{5}\.gguf$)");
  std::smatch found;
  return std::regex_search(name, found, part) && found[1] != "00001";
}

/// "x-00001-of-00003.gguf" -> "x"
std::string name_of(const std::string& file) {
  static const std::regex ending(R"((-00001-of-\d{5})?\.gguf$)");
  return std::regex_replace(file, ending, "");
}

uint64_t bytes_of(const fs::path& path) {
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  return error ? 0 : bytes;
}

/// The first file and the bytes of all of its parts.
ModelFile gguf_of(const fs::path& first, const std::vector<fs::directory_entry>& beside) {
  const std::string name = name_of(first.filename().string());
  ModelFile model{first, 0};
  for (const fs::directory_entry& entry : beside) {
    const std::string file = entry.path().filename().string();
    const bool part = file.starts_with(name + "-0") && file.find("-of-") != std::string::npos;
    if (entry.path() == first || (is_gguf(entry) && part)) model.bytes += bytes_of(entry.path());
  }
  return model;
}

void add_folder(const fs::path& folder, std::map<std::string, ModelFile>& models) {
  const std::string name = folder.filename().string();
  const std::vector<fs::directory_entry> entries = sorted_entries(folder);
  std::error_code error;
  if (fs::is_regular_file(folder / "config.json", error)) {
    ModelFile model{folder, 0};
    for (const fs::directory_entry& entry : entries) {
      if (entry.path().extension() == ".safetensors") model.bytes += bytes_of(entry.path());
    }
    models.try_emplace(name, std::move(model));
    return;
  }
  for (const fs::directory_entry& entry : entries) {
    if (!is_gguf(entry)) continue;
    models.try_emplace(name, gguf_of(entry.path(), entries));
    return;
  }
}

}  // namespace

std::map<std::string, ModelFile> models_in(const fs::path& folder) {
  std::map<std::string, ModelFile> models;
  const std::vector<fs::directory_entry> entries = sorted_entries(folder);
  std::error_code error;
  for (const fs::directory_entry& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with('.')) continue;
    if (is_gguf(entry) && !is_later_part(name)) {
      models.try_emplace(name_of(name), gguf_of(entry.path(), entries));
    }
    if (entry.is_directory(error)) add_folder(entry.path(), models);
  }
  return models;
}

}  // namespace lazyllm::server
