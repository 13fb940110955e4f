// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string_view>

#include "base/error.h"
#include "base/quote.h"
#include "formats/gguf_reader.h"
#include "formats/hugging_face_reader.h"
#include "formats/model_file.h"

namespace lazyllm::formats {
namespace {

namespace fs = std::filesystem;

/// What a file that is no model for lazyllm probably is, and what to do about it.
std::string explain(std::string_view start) {
  if (start.empty()) return "the file is empty; fetch it again";
  if (start.starts_with("version https://git-lfs")) {
    return "this is a Git LFS pointer, not the model itself; run 'git lfs pull' in its folder";
  }
  if (start.starts_with("<!DOCTYPE") || start.starts_with("<html")) {
    return "this is a web page, probably an error page saved by a download; fetch the file again";
  }
  for (const std::string_view old : {"lmgg", "tjgg", "fmgg", "algg"}) {
    if (start.starts_with(old)) {
      return "this is a model in a format older than GGUF; convert the original model again";
    }
  }
  if (start.starts_with("PK")) {
    return "this looks like PyTorch weights; take the model's safetensors folder or a GGUF file";
  }
  return "it starts with " + quote(start.substr(0, 8)) +
         ", not with \"GGUF\"; name a GGUF file or a Hugging Face model folder";
}

std::string_view first_bytes(const FileMapping& mapping) {
  const auto bytes = mapping.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), std::min<size_t>(bytes.size(), 64)};
}

/// A folder's weights named directly stand for the folder.
std::shared_ptr<const ModelFile> open_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::exists(folder / "config.json")) {
    fail(ErrorCode::invalid_file,
         "{}: a safetensors file needs the config.json of its model beside it, but there is none; "
         "fetch the whole folder",
         path.string());
  }
  return open_hugging_face(folder);
}

std::shared_ptr<const ModelFile> open_by_kind(const fs::path& path) {
  if (path.empty()) fail(ErrorCode::usage, "no model is named; give a GGUF file or model folder");
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) {
    fail(ErrorCode::io, "{} does not exist or cannot be reached; check the path of the model",
         path.string());
  }
  if (fs::is_directory(status)) return open_hugging_face(path);
  if (path.extension() == ".safetensors" || path.filename() == "config.json" ||
      path.filename() == "model.safetensors.index.json") {
    return open_folder_of(path);
  }
  const FileMapping mapping(path);
  if (!first_bytes(mapping).starts_with("GGUF")) {
    fail(ErrorCode::invalid_file, "{} is no model file: {}", path.string(),
         explain(first_bytes(mapping)));
  }
  return open_gguf(path);
}

}  // namespace

std::shared_ptr<const ModelFile> open_model_file(const fs::path& path) {
  try {
    return open_by_kind(path);
  } catch (const fs::filesystem_error& error) {  // a folder that may not be listed, say
    fail(ErrorCode::io, "{}: {}; check the path and its permissions", path.string(),
         error.code().message());
  }
}

}  // namespace lazyllm::formats
