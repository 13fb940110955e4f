// SPDX-License-Identifier: Apache-2.0
#include "engine/profiles.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "base/hash.h"
#include "engine/embedded_profiles.h"
#include "engine/model_implementation.h"
#include "kernels/dequantize.h"
#include "lazyllm/profile.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".profile.json";

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

/// Profiles of the folder that LAZYLLM_PROFILES names, in the order of their names.
std::vector<fs::path> named_profiles() {
  std::vector<fs::path> files;
  const char* folder = std::getenv("LAZYLLM_PROFILES");
  if (folder == nullptr || *folder == '\0') return files;
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
  for (const fs::path& file : named_profiles()) {
    try {
      Profile profile = read_profile(file);
      if (profile.fingerprint == fingerprint) return profile;
    } catch (const Error&) {
      // Not this model's business: only a file the user named may stop him.
    }
  }
  for (const engine::EmbeddedFile& file : engine::embedded_profiles()) {
    if (!file.name.ends_with(kSuffix)) continue;
    Profile profile = parse_profile(file.content, file.name);
    if (profile.fingerprint == fingerprint) return profile;
  }
  return std::nullopt;
}

std::optional<Profile> choose(const PruningOptions& options, const Model& model) {
  if (options.profile.empty() || options.profile == "none") return std::nullopt;
  if (!takes_profile(options)) return std::nullopt;
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
  hash.add_text(file.text("general.architecture", ""));
  std::vector<const formats::TensorView*> tensors;
  for (const formats::TensorView& tensor : file.tensors()) tensors.push_back(&tensor);
  std::sort(tensors.begin(), tensors.end(),
            [](const auto* a, const auto* b) { return a->name < b->name; });
  std::vector<float> values;
  for (const formats::TensorView* tensor : tensors) {
    hash.add_text(tensor->name);
    for (const int64_t extent : tensor->shape) hash.add(extent);
    if (!is_norm(*tensor)) continue;
    values.resize(static_cast<size_t>(tensor->elements()));
    kernels::dequantize_row(tensor->type, tensor->data.data(), tensor->elements(), values.data());
    hash.add(std::as_bytes(std::span(values)));
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
    return lazy::resolve(with_profile(options, *profile), h);
  } catch (const Error& error) {
    fail(error.code(), "with the profile {}: {}", profile->path.string(), error.what());
  }
}

}  // namespace lazyllm
