// SPDX-License-Identifier: Apache-2.0
// Any bytes as a GGUF file: parsed, or refused with Error. What parses must keep
// its promises: views inside the file, of the length that shape and type say.
#include <cstdint>
#include <cstdlib>

#include "formats/gguf_parser.h"
#include "formats/model_file_builder.h"
#include "lazyllm/error.h"

using namespace lazyllm;

namespace {

void check(bool promise) {
  if (!promise) std::abort();
}

void read_every_way(const formats::ModelFile& file, const std::string& key) {
  const auto attempt = [](auto read) {
    try {
      read();
    } catch (const Error&) {
    }
  };
  attempt([&] { file.text(key); });
  attempt([&] { file.integer(key, 0, 100); });
  attempt([&] { file.real(key); });
  attempt([&] { file.boolean(key, false); });
  attempt([&] { file.integers(key); });
  attempt([&] { file.reals(key); });
  attempt([&] { file.texts(key); });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto bytes = std::as_bytes(std::span<const uint8_t>(data, size));
  try {
    formats::GgufContents contents = formats::parse_gguf(bytes, "fuzz");
    formats::ModelFileBuilder builder(formats::Container::gguf, "fuzz");
    for (formats::TensorView& tensor : contents.tensors) {
      check(tensor.data.data() >= bytes.data());
      check(tensor.data.data() + tensor.data.size() <= bytes.data() + bytes.size());
      const int64_t rows = tensor.elements() / tensor.shape.back();
      check(static_cast<uint64_t>(rows * row_bytes(tensor.type, tensor.shape.back())) ==
            tensor.data.size());
      builder.add_tensor(std::move(tensor), "fuzz");
    }
    builder.metadata() = std::move(contents.metadata);
    const auto file = builder.finish();
    for (const auto& [key, value] : file->metadata()) read_every_way(*file, key);
    for (const auto& tensor : file->tensors()) check(file->find_tensor(tensor.name) == &tensor);
  } catch (const Error&) {
  }
  return 0;
}
