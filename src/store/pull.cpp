// SPDX-License-Identifier: Apache-2.0
#include <cctype>
#include <cstdlib>
#include <regex>

#include "base/error.h"
#include "lazyllm/model_store.h"
#include "store/download.h"
#include "store/hub.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMostListBytes = 16 << 20;

std::string environment(const char* name, const char* otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

std::string hub() {
  std::string url = environment("HF_ENDPOINT", "https://huggingface.co");
  while (url.ends_with('/')) url.pop_back();
  return url;
}

/// Fetches unless the file is there already.
fs::path fetch(const store::Request& request, const fs::path& path, const std::string& sha256,
               const PullOptions& options) {
  std::error_code error;
  if (fs::exists(path, error) && (sha256.empty() || store::sha256_of(path) == sha256)) return path;
  const auto on_bytes = [&](int64_t done, int64_t total) {
    return !options.on_progress || options.on_progress(done, total);
  };
  store::download(request, path, sha256, on_bytes);
  return path;
}

fs::path pull_from_hub(const store::HubName& name, const PullOptions& options) {
  const std::string token = environment("HF_TOKEN", "");
  const std::string repository = name.owner + "/" + name.repository;
  const std::string list = hub() + "/api/models/" + repository + "/tree/main?recursive=true";
  const std::vector<store::HubFile> files =
      store::parse_hub_files(store::get_text({list, token}, kMostListBytes), list);
  const store::HubFile file = store::choose_hub_file(name, files);
  const std::string url = hub() + "/" + repository + "/resolve/main/" + file.path;
  const fs::path path =
      models_folder() / (name.owner + "--" + name.repository) / fs::path(file.path).filename();
  return fetch({url, token}, path, options.sha256.empty() ? file.sha256 : options.sha256, options);
}

fs::path pull_url(const std::string& url, const PullOptions& options) {
  static const std::regex form(
      "https?://[^/]+/(?:.*/)?([A-Za-z0-9][A-Za-z0-9._-]*\\.gguf)(?:[?#].*)?");
  std::smatch match;
  if (!std::regex_match(url, match, form)) {
    fail(ErrorCode::usage, "{}: write a URL that ends in the name of a .gguf file", url);
  }
  return fetch({url, ""}, models_folder() / match[1].str(), options.sha256, options);
}

fs::path pull_known(const KnownModel& model, const PullOptions& options) {
  if (model.repository.empty()) {
    fail(ErrorCode::usage, "{0} is in no hub; fetch it with tools/fetch-model {0}", model.name);
  }
  const std::string url = fmt::format("{}/{}/resolve/main/{}", hub(), model.repository, model.file);
  return fetch({url, environment("HF_TOKEN", "")}, models_folder() / model.file,
               std::string(model.sha256), options);
}

}  // namespace

fs::path pull_model(const std::string& what, const PullOptions& options) {
  if (!options.sha256.empty() && !std::regex_match(options.sha256, std::regex("[0-9a-f]{64}"))) {
    fail(ErrorCode::usage, "--sha256 {}: write 64 hexadecimal digits, a to f small",
         options.sha256);
  }
  if (what.starts_with("hf:")) return pull_from_hub(store::parse_hub_name(what.substr(3)), options);
  if (what.find("://") != std::string::npos) return pull_url(what, options);
  for (const KnownModel& model : known_models()) {
    if (what == model.name) return pull_known(model, options);
  }
  std::string names;
  for (const KnownModel& model : known_models()) {
    names += fmt::format("{}{}", names.empty() ? "" : ", ", model.name);
  }
  fail(ErrorCode::usage, "{}: write a name ({}), hf:OWNER/REPO[:QUANT] or a URL", what, names);
}

}  // namespace lazyllm
