// SPDX-License-Identifier: Apache-2.0
// Layout, little-endian: magic, format version, origin (model, program version, ISA, cache
// types), attention (AttentionForm::to_string), depth, number of tokens, tokens, hidden rows and
// K,V blocks as Snapshot::store gives them, and the XXH3 hash of all bytes before it.
#include "engine/snapshot_file.h"

#include <cstring>
#include <fstream>

#include "base/build_id.h"
#include "base/error.h"
#include "base/hash.h"
#include "engine/model_implementation.h"
#include "formats/fingerprint.h"
#include "lazyllm/version.h"

namespace lazyllm::engine {
namespace {

constexpr char kMagic[8] = {'l', 'a', 'z', 'y', 's', 'n', 'a', 'p'};
// 2: files of format 1 may hold rows of one depth filed under another.
// 3: the attention.
constexpr uint32_t kFormat = 3;
constexpr size_t kMostText = 256;

class Writer {
 public:
  explicit Writer(const std::filesystem::path& path) : path_(path), file_(path, std::ios::binary) {}

  void bytes(std::span<const std::byte> data) {
    file_.write(reinterpret_cast<const char*>(data.data()), std::ssize(data));
    hash_.add(data);
  }
  template <typename T>
  void value(const T& value) {
    bytes(std::as_bytes(std::span(&value, 1)));
  }
  void text(const std::string& text) {
    value(static_cast<uint32_t>(text.size()));
    bytes(std::as_bytes(std::span(text)));
  }
  void finish() {
    value(hash_.value());
    file_.close();
    if (!file_) fail(ErrorCode::io, "{}: cannot write; is the disk full?", path_.string());
  }

 private:
  std::filesystem::path path_;
  std::ofstream file_;
  Hash hash_;
};

class Reader {
 public:
  explicit Reader(const std::filesystem::path& path) : path_(path), file_(path, std::ios::binary) {
    if (!file_) fail(ErrorCode::io, "{}: cannot open", path.string());
  }

  void bytes(std::span<std::byte> data) {
    if (!file_.read(reinterpret_cast<char*>(data.data()), std::ssize(data))) {
      damaged("it ends too early");
    }
    hash_.add(data);
  }
  template <typename T>
  T value() {
    T value;
    bytes(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }
  std::string text() {
    const auto size = value<uint32_t>();
    if (size > kMostText) damaged("a text in it is too long");
    std::string text(size, '\0');
    bytes(std::as_writable_bytes(std::span(text)));
    return text;
  }
  void finish() {
    const uint64_t expected = hash_.value();
    if (value<uint64_t>() != expected) damaged("its checksum is wrong");
  }
  [[noreturn]] void damaged(std::string_view how) const {
    fail(ErrorCode::invalid_file, "{}: not a whole snapshot: {}; delete it", path_.string(), how);
  }
  [[noreturn]] void foreign(std::string_view what) const {
    fail(ErrorCode::unsupported, "{}: the snapshot belongs to {}; it cannot be used here",
         path_.string(), what);
  }

 private:
  std::filesystem::path path_;
  std::ifstream file_;
  Hash hash_;
};

void check_origin(Reader& reader, const SnapshotOrigin& origin) {
  if (reader.value<uint64_t>() != origin.model) reader.foreign("another model");
  if (reader.text() != origin.version) reader.foreign("another version of the program");
  if (reader.text() != origin.isa) reader.foreign("another instruction set");
  const auto k = reader.value<kernels::CacheType>(), v = reader.value<kernels::CacheType>();
  if (k != origin.cache_types.k || v != origin.cache_types.v) reader.foreign("other cache types");
}

lazy::AttentionForm read_attention(Reader& reader) {
  const std::string text = reader.text();
  try {
    return lazy::AttentionForm::parse(text);
  } catch (const Error&) {
    reader.damaged("its attention is none");
  }
}

}  // namespace

SnapshotOrigin snapshot_origin(const Model& model, lazy::CacheTypes cache_types) {
  return {formats::fingerprint(*model.implementation().file), version() + "+" + build_id(),
          model.info().isa, cache_types};
}

void write_snapshot(const std::filesystem::path& path, const lazy::Snapshot& snapshot,
                    const SnapshotOrigin& origin) {
  std::filesystem::path part = path;
  part += ".part";
  Writer writer(part);
  writer.value(kMagic);
  writer.value(kFormat);
  writer.value(origin.model);
  writer.text(origin.version);
  writer.text(origin.isa);
  writer.value(origin.cache_types.k);
  writer.value(origin.cache_types.v);
  writer.text(snapshot.attention().to_string());
  writer.value(static_cast<int32_t>(snapshot.depth()));
  writer.value(snapshot.size());
  writer.bytes(std::as_bytes(snapshot.tokens()));
  snapshot.store([&](std::span<const std::byte> data) { writer.bytes(data); });
  writer.finish();
  std::error_code error;
  std::filesystem::rename(part, path, error);
  if (error) fail(ErrorCode::io, "{}: {}", path.string(), error.message());
}

std::unique_ptr<lazy::Snapshot> read_snapshot(const std::filesystem::path& path,
                                              const model::Transformer& transformer,
                                              const SnapshotOrigin& origin) {
  Reader reader(path);
  char magic[sizeof(kMagic)];
  reader.bytes(std::as_writable_bytes(std::span(magic)));
  if (std::memcmp(magic, kMagic, sizeof(kMagic)) != 0) reader.damaged("it has another beginning");
  if (reader.value<uint32_t>() != kFormat) reader.foreign("another version of the format");
  check_origin(reader, origin);
  const lazy::AttentionForm attention = read_attention(reader);
  const auto depth = reader.value<int32_t>();
  const auto count = reader.value<int64_t>();
  const model::Hyperparameters& h = transformer.hyperparameters();
  if (depth < 1 || depth > h.kv_layers() || count < 1 || count > h.context_length) {
    reader.damaged("its sizes are impossible");
  }
  std::vector<int32_t> tokens(static_cast<size_t>(count));
  reader.bytes(std::as_writable_bytes(std::span(tokens)));
  for (const int32_t token : tokens) {
    if (token < 0 || token >= h.vocabulary_size) reader.damaged("a token is out of range");
  }
  auto snapshot = std::make_unique<lazy::Snapshot>(transformer, depth, attention);
  snapshot->load(tokens, origin.cache_types,
                 [&](std::span<std::byte> data) { reader.bytes(data); });
  reader.finish();
  return snapshot;
}

}  // namespace lazyllm::engine
