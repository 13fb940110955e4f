// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_reader.h"

#include <charconv>

#include "base/error.h"
#include "formats/gguf_parser.h"
#include "formats/known_keys.h"
#include "formats/model_file_builder.h"

namespace lazyllm::formats {
namespace {

constexpr std::string_view kSuffix = ".gguf";
constexpr size_t kDigits = 5;
constexpr int64_t kMostParts = 65535;  // split.count is a u16

std::optional<int64_t> parse_digits(std::string_view digits) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc() || end != digits.data() + digits.size() || digits[0] == '-') {
    return std::nullopt;
  }
  return value;
}

/// A key of the split.* family, which any part must have right. 0 when absent.
int64_t split_number(const Metadata& metadata, std::string_view key, const std::string& where) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return 0;
  const auto* number = std::get_if<int64_t>(&found->second);
  if (number == nullptr || *number < 0) {
    fail(ErrorCode::invalid_file, "{}: metadata key {} is not a count; the file is damaged", where,
         key);
  }
  return *number;
}

/// Of a file that holds a model. The keys of an unknown architecture are not judged: it is
/// refused by its name, and a vocabulary alone computes nothing.
void check_keys(ModelFileBuilder& builder, const std::string& where) {
  const Metadata& metadata = builder.metadata();
  const auto found = metadata.find("general.architecture");
  if (found == metadata.end() || builder.file().tensors().empty()) return;
  const auto* architecture = std::get_if<std::string>(&found->second);
  if (architecture == nullptr || !is_known_architecture(*architecture)) return;
  const std::vector<std::string> unknown = check_gguf_keys(metadata, *architecture, where);
  if (!unknown.empty()) builder.add_warning(unknown_keys_message(where, unknown));
}

void add_tensors(ModelFileBuilder& builder, GgufContents& contents, const std::string& where) {
  for (TensorView& tensor : contents.tensors) builder.add_tensor(std::move(tensor), where);
}

/// Where the parts are, from the name of the one that the user gave.
SplitName check_split_name(const std::filesystem::path& path, int64_t count) {
  const auto name = parse_split_name(path.filename().string());
  if (!name || name->count != count) {
    fail(ErrorCode::invalid_file,
         "{}: this is one of {} parts of a model, so its name must end in -0000N-of-{:05}.gguf; "
         "give all parts their original names",
         path.string(), count, count);
  }
  return *name;
}

void check_part(const GgufContents& contents, const SplitName& name, int64_t part,
                const std::string& where) {
  const int64_t count = split_number(contents.metadata, "split.count", where);
  const int64_t number = split_number(contents.metadata, "split.no", where);
  if (count != name.count || number != part - 1) {
    fail(ErrorCode::invalid_file,
         "{}: by its name this is part {} of {}, but its metadata say part {} of {}; give all "
         "parts their original names",
         where, part, name.count, number + 1, count);
  }
}

std::shared_ptr<const ModelFile> open_parts(const std::filesystem::path& path, int64_t count) {
  const SplitName name = check_split_name(path, count);
  ModelFileBuilder builder(Container::gguf, path);
  for (int64_t part = 1; part <= count; ++part) {
    const auto part_path = path.parent_path() / name.file_name(part);
    const std::string where = part_path.string();
    if (!std::filesystem::exists(part_path)) {
      fail(ErrorCode::io, "{} is missing: part {} of the {} parts of the model {}; fetch it too",
           where, part, count, path.string());
    }
    GgufContents contents = parse_gguf(builder.add_mapping(FileMapping(part_path)), where);
    check_part(contents, name, part, where);
    // Only the first part describes the model; the others have the split.* keys alone.
    if (part == 1) builder.metadata() = std::move(contents.metadata);
    add_tensors(builder, contents, where);
  }
  const int64_t total = split_number(builder.metadata(), "split.tensors.count", path.string());
  if (total != 0 && total != static_cast<int64_t>(builder.file().tensors().size())) {
    fail(ErrorCode::invalid_file,
         "{}: the {} parts of this model hold {} tensors, but split.tensors.count says {}; the "
         "parts are of different models, fetch them again",
         path.string(), count, builder.file().tensors().size(), total);
  }
  check_keys(builder, path.string());
  return builder.finish();
}

}  // namespace

std::string SplitName::file_name(int64_t of_part) const {
  return fmt::format("{}-{:05}-of-{:05}{}", prefix, of_part, count, kSuffix);
}

std::optional<SplitName> parse_split_name(std::string_view file_name) {
  constexpr std::string_view kOf = "-of-";
  constexpr size_t kTail = 1 + kDigits + kOf.size() + kDigits + kSuffix.size();
  if (file_name.size() <= kTail || !file_name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view tail = file_name.substr(file_name.size() - kTail);
  if (tail[0] != '-' || tail.substr(1 + kDigits, kOf.size()) != kOf) return std::nullopt;
  const auto part = parse_digits(tail.substr(1, kDigits));
  const auto count = parse_digits(tail.substr(1 + kDigits + kOf.size(), kDigits));
  if (!part || !count || *part < 1 || *part > *count || *count > kMostParts) return std::nullopt;
  return SplitName{std::string(file_name.substr(0, file_name.size() - kTail)), *part, *count};
}

std::shared_ptr<const ModelFile> open_gguf(const std::filesystem::path& path) {
  FileMapping mapping(path);
  GgufContents contents = parse_gguf(mapping.bytes(), path.string());
  // Merging tools leave split.count = 0 behind; a set of one part is a plain file.
  const int64_t parts = split_number(contents.metadata, "split.count", path.string());
  if (parts > 1) return open_parts(path, parts);

  ModelFileBuilder builder(Container::gguf, path);
  builder.add_mapping(std::move(mapping));
  builder.metadata() = std::move(contents.metadata);
  add_tensors(builder, contents, path.string());
  check_keys(builder, path.string());
  return builder.finish();
}

}  // namespace lazyllm::formats
