// SPDX-License-Identifier: Apache-2.0
#include "store/hub.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <regex>

#include "base/error.h"
#include "base/lower_ascii.h"

namespace lazyllm::store {
namespace {

/// A name that is one step of a path and of a URL.
bool is_plain(const std::string& name) {
  static const std::regex form("[A-Za-z0-9][A-Za-z0-9._-]{0,95}");
  return std::regex_match(name, form) && name.find("..") == std::string::npos;
}

bool is_plain_path(const std::string& path) {
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find('/', begin), path.size());
    if (!is_plain(path.substr(begin, end - begin))) return false;
    begin = end + 1;
  }
  return true;
}

std::string names_of(const std::vector<HubFile>& files) {
  std::string list;
  for (const HubFile& file : files) list += (list.empty() ? "" : ", ") + file.path;
  return list;
}

/// The shortest name that has the quantisation in it: "Q4_K" means not Q4_K_M's longer file.
const HubFile* find(const std::vector<HubFile>& files, const std::string& quantisation) {
  const HubFile* best = nullptr;
  for (const HubFile& file : files) {
    if (lower_ascii(file.path).find(lower_ascii(quantisation)) == std::string::npos) continue;
    if (best == nullptr || file.path.size() < best->path.size()) best = &file;
  }
  return best;
}

}  // namespace

HubName parse_hub_name(std::string_view text) {
  const size_t slash = text.find('/');
  const size_t colon = text.find(':');
  HubName name;
  if (slash != std::string_view::npos) {
    name.owner = text.substr(0, slash);
    name.repository = text.substr(
        slash + 1, colon == std::string_view::npos ? colon : colon - std::min(colon, slash + 1));
    if (colon != std::string_view::npos) name.quantisation = text.substr(colon + 1);
  }
  const bool quantisation_good = colon == std::string_view::npos || is_plain(name.quantisation);
  if (!is_plain(name.owner) || !is_plain(name.repository) || !quantisation_good) {
    fail(ErrorCode::usage, "{}: write OWNER/REPO or OWNER/REPO:QUANT, such as owner/model:Q4_K_M",
         text);
  }
  return name;
}

std::vector<HubFile> parse_hub_files(const std::string& json, const std::string& url) {
  const auto list = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!list.is_array()) fail(ErrorCode::io, "{}: the answer is no list of files", url);
  const auto text = [](const nlohmann::json& object, const char* key) -> std::string {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  };
  std::vector<HubFile> files;
  for (const nlohmann::json& entry : list) {
    if (!entry.is_object()) continue;
    HubFile file{text(entry, "path"), ""};
    if (const auto lfs = entry.find("lfs"); lfs != entry.end() && lfs->is_object()) {
      file.sha256 = lower_ascii(text(*lfs, "oid"));
    }
    if (file.path.ends_with(".gguf") && is_plain_path(file.path)) files.push_back(std::move(file));
  }
  return files;
}

HubFile choose_hub_file(const HubName& name, const std::vector<HubFile>& files) {
  const std::string repository = name.owner + "/" + name.repository;
  if (files.empty()) {
    fail(ErrorCode::usage, "{} holds no .gguf file; look for a repository that ends in -GGUF",
         repository);
  }
  const HubFile* chosen = nullptr;
  if (!name.quantisation.empty()) {
    chosen = find(files, name.quantisation);
  } else {
    for (const char* usual : {"q4_k_m", "q4_0", "q8_0"}) {
      if (chosen == nullptr) chosen = find(files, usual);
    }
    if (chosen == nullptr && files.size() == 1) chosen = files.data();
  }
  if (chosen == nullptr) {
    fail(ErrorCode::usage, "{}: say which file, OWNER/REPO:QUANT; there are {}", repository,
         names_of(files));
  }
  static const std::regex part("-\\d{5}-of-\\d{5}\\.gguf$");
  if (std::regex_search(chosen->path, part)) {
    fail(ErrorCode::usage,
         "{}: {} is one part of several; fetch all of them by their URLs, then name the first with "
         "-m",
         repository, chosen->path);
  }
  return *chosen;
}

}  // namespace lazyllm::store
