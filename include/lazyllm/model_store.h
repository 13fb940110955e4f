// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

// Models by name, and where they lie. Not a part of the engine: a library of its own
// (lazyllm::store), since pull() needs libcurl.
namespace lazyllm {

/// A model with a name. tools/setup.sh has the same table for tools/fetch-model.
struct KnownModel {
  std::string_view name;
  std::string_view file;
  std::string_view sha256;
  std::string_view repository;  ///< "OWNER/REPO" on the hub; empty: tools/fetch-model alone has it
  std::string_view licence;
  int64_t megabytes = 0;
  int64_t context = 0;
};
std::span<const KnownModel> known_models();

/// Where models lie: LAZYLLM_MODELS, or .cache/lazyllm/models in the home folder.
std::filesystem::path models_folder();

/// The path that -m means: an existing one, or a known model's file in models_folder(). Anything
/// else is given back as it is. Errors: Error(io) for a known model that is not there yet.
std::filesystem::path find_model(const std::string& given);

struct PullOptions {
  std::string sha256;  ///< of the file, 64 hexadecimal digits; empty: the known one, if any
  /// Bytes there and in all (0: unknown). Returns false to stop; what is there stays.
  std::function<bool(int64_t done, int64_t total)> on_progress;
};

/// Fetches a model into models_folder() and returns its path. `what`: the name of a known model,
/// "hf:OWNER/REPO[:QUANT]" or a URL of a .gguf file. A file that is whole already is not fetched
/// again; a stopped one goes on where it was. The hub is HF_ENDPOINT, its token HF_TOKEN.
/// Errors: Error(usage) for what cannot be meant, Error(io) for the network and the disk,
/// Error(invalid_file) for a wrong checksum, Error(cancelled).
std::filesystem::path pull_model(const std::string& what, const PullOptions& options = {});

}  // namespace lazyllm
