// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include "base/error.h"
#include "lazyllm/model_store.h"

namespace lazyllm {
namespace {

namespace fs = std::filesystem;

constexpr KnownModel kModels[] = {
    {"smollm2-135m", "SmolLM2-135M-Instruct.Q4_1.gguf",
     "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53", "", "Apache-2.0", 98,
     8192},
    {"qwen2.5-coder-0.5b", "qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
     "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
     "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF", "Apache-2.0", 491, 32768},
    {"qwen2.5-coder-1.5b", "qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
     "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
     "Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF", "Apache-2.0", 1117, 32768},
};

}  // namespace

std::span<const KnownModel> known_models() {
  return kModels;
}

fs::path models_folder() {
  if (const char* named = std::getenv("LAZYLLM_MODELS"); named != nullptr && *named != '\0') {
    return named;
  }
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".cache" / "lazyllm" / "models";
}

fs::path find_model(const std::string& given) {
  std::error_code error;
  if (fs::exists(given, error)) return given;
  for (const KnownModel& model : known_models()) {
    if (given != model.name) continue;
    fs::path path = models_folder() / model.file;
    if (fs::exists(path, error)) return path;
    fail(ErrorCode::io, "the model {0} is not in {1} yet ({2} MB); fetch it with {3}", given,
         models_folder().string(), model.megabytes,
         model.repository.empty()
             ? fmt::format("tools/fetch-model {}", given)
             : fmt::format("lazyllm pull {0} or tools/fetch-model {0}", given));
  }
  return given;
}

}  // namespace lazyllm
