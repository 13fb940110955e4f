// SPDX-License-Identifier: Apache-2.0
#include "engine/profiles.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/error.h"
#include "engine/model_implementation.h"
#include "kernels/dequantize.h"
#include "lazy/profile.h"
#include "lazyllm/profile.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".profile.json";

/// FNV-1a, 64 bits.
class Hash {
 public:
  void add(std::span<const std::byte> bytes) {
    for (const std::byte byte : bytes) {
      value_ = (value_ ^ std::to_integer<uint64_t>(byte)) * 0x100000001b3u;
    }
  }
  void add(std::string_view text) {
    add(std::as_bytes(std::span(text)));
    add(static_cast<uint64_t>(text.size()));
  }
  void add(uint64_t number) {  // least byte first on every machine
    for (int shift = 0; shift < 64; shift += 8) {
      const auto byte = static_cast<std::byte>(number >> shift);
      add(std::span(&byte, 1));
    }
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325u;
};

bool is_norm(const formats::TensorView& tensor) {
  return tensor.name.ends_with("norm.weight") && tensor.shape.size() == 1 &&
         traits(tensor.type).block_values == 1;
}

fs::path beside(const fs::path& model) {
  // A Hugging Face folder may be named with a slash at its end.
  fs::path file = model.has_filename() ? model : model.parent_path();
  file += kSuffix;
  return file;
}

std::vector<fs::path> profile_folders() {
  std::vector<fs::path> folders;
  if (const char* named = std::getenv("LAZYLLM_PROFILES"); named != nullptr && *named != '\0') {
    folders.emplace_back(named);
  }
  folders.emplace_back("profiles");
  folders.emplace_back(LAZYLLM_INSTALLED_PROFILES);
  return folders;
}

/// Its profiles in the order of their names; none if there is no such folder.
std::vector<fs::path> profiles_in(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().filename().string().ends_with(kSuffix)) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::optional<Profile> search(const Model& model) {
  const std::string fingerprint = model_fingerprint(model);
  std::error_code error;
  if (const fs::path own = beside(model.implementation().file->path()); fs::exists(own, error)) {
    Profile profile = read_profile(own);
    if (profile.fingerprint == fingerprint) return profile;
  }
  for (const fs::path& folder : profile_folders()) {
    for (const fs::path& file : profiles_in(folder)) {
      try {
        Profile profile = read_profile(file);
        if (profile.fingerprint == fingerprint) return profile;
      } catch (const Error&) {
        // Not this model's business: only a file the user named may stop him.
      }
    }
  }
  return std::nullopt;
}

std::optional<Profile> choose(const PruningOptions& options, const Model& model) {
  if (options.profile.empty() || options.profile == "none") return std::nullopt;
  if (options.policy != "lazy" || !options.prune.empty()) return std::nullopt;
  if (options.profile == "auto") return search(model);
  Profile profile = read_profile(options.profile);
  const std::string fingerprint = model_fingerprint(model);
  if (profile.fingerprint != fingerprint) {
    fail(ErrorCode::usage,
         "--profile {}: it was made for another model ({}, fingerprint {}; this one has {}); make "
         "one with lazyllm tune",
         options.profile, profile.model, profile.fingerprint, fingerprint);
  }
  return profile;
}

}  // namespace

std::string model_fingerprint(const Model& model) {
  const formats::ModelFile& file = *model.implementation().file;
  Hash hash;
  hash.add(file.text("general.architecture", ""));
  std::vector<const formats::TensorView*> tensors;
  for (const formats::TensorView& tensor : file.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  std::vector<float> values;
  for (const formats::TensorView* tensor : tensors) {
    hash.add(tensor->name);
    for (const int64_t extent : tensor->shape) hash.add(static_cast<uint64_t>(extent));
    if (!is_norm(*tensor)) continue;
    values.resize(static_cast<size_t>(tensor->elements()));
    kernels::dequantize_row(tensor->type, tensor->data.data(), tensor->elements(), values.data());
    for (const float value : values) hash.add(uint64_t{std::bit_cast<uint32_t>(value)});
  }
  return fmt::format("{:016x}", hash.value());
}

std::optional<Profile> find_profile(const Model& model) {
  return search(model);
}

std::optional<Profile> applied_profile(const PruningOptions& options, const Model& model) {
  return choose(options, model);
}

lazy::PruningPlan engine::make_plan(const PruningOptions& options, const Model& model) {
  const model::Hyperparameters& h = model.implementation().require_transformer().hyperparameters();
  const std::optional<Profile> profile = choose(options, model);
  if (!profile) return lazy::resolve(options, h);
  try {
    return lazy::resolve(lazy::with_profile(options, *profile), h);
  } catch (const Error& error) {
    fail(error.code(), "with the profile {}: {}", profile->path.string(), error.what());
  }
}

}  // namespace lazyllm
