// SPDX-License-Identifier: Apache-2.0
// Any bytes as a snapshot's file, with a checksum that is right: refused, or a snapshot that a
// sequence can go on from.
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "base/error.h"
#include "base/hash.h"
#include "engine/snapshot_file.h"
#include "lazy/sequence.h"
#include "lazy/tiny_model_for_tests.h"

using namespace lazyllm;

namespace {

constexpr size_t kChecksumBytes = sizeof(uint64_t);

struct Fixture {
  lazy::TinyModel model{{.layers = 3, .hidden = 16, .context = 64}, 1, "generic"};
  engine::SnapshotOrigin origin{.model = 7, .version = "1", .isa = "generic", .cache_types = {}};
  std::filesystem::path path =
      std::filesystem::temp_directory_path() / ("fuzz_snapshot_" + std::to_string(::getpid()));
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Fixture fixture;
  const auto bytes = std::as_bytes(std::span(data, size));
  Hash hash;
  hash.add(bytes);
  const uint64_t checksum = hash.value();
  {
    std::ofstream file(fixture.path, std::ios::binary);
    file.write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
    file.write(reinterpret_cast<const char*>(&checksum), kChecksumBytes);
  }
  try {
    const auto snapshot =
        engine::read_snapshot(fixture.path, fixture.model.transformer(), fixture.origin);
    lazy::Sequence sequence(fixture.model.transformer(), fixture.origin.cache_types);
    snapshot->restore(snapshot->size(), sequence);
    if (sequence.size() != snapshot->size()) std::abort();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_file && error.code() != ErrorCode::unsupported) {
      std::abort();
    }
  }
  return 0;
}
