// SPDX-License-Identifier: Apache-2.0
// Any bytes as a safetensors file, and any name in it as a tensor's name.
#include <cstdint>
#include <cstdlib>

#include "formats/hugging_face_names.h"
#include "formats/safetensors.h"
#include "lazyllm/error.h"

using namespace lazyllm;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span<const uint8_t>(data, size));
  try {
    for (const auto& entry : formats::parse_safetensors(bytes, "fuzz")) {
      if (!entry.data.empty() &&
          (entry.data.data() < bytes.data() ||
           entry.data.data() + entry.data.size() > bytes.data() + bytes.size())) {
        std::abort();
      }
      for (const char* architecture : {"llama", "gemma3"}) {
        formats::translate_tensor_name(entry.name, architecture);
      }
      formats::safetensors_storage_type(entry, "fuzz");
    }
  } catch (const Error&) {
  }
  return 0;
}
