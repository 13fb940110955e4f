// SPDX-License-Identifier: Apache-2.0
#include "formats/gpt_oss_tensors.h"

#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/quote.h"

namespace lazyllm::formats {
namespace {

constexpr int64_t kBlockValues = 32;
constexpr int64_t kBlockBytes = 16;  // of the codes alone
constexpr std::string_view kGateUp = "gate_up_proj";

[[noreturn]] void fail_shape(const SafetensorsEntry& entry, const std::string& where) {
  fail(ErrorCode::invalid_file,
       "{}: tensor {} (type {}, shape [{}]) does not fit the other tensors of its experts; the "
       "files are damaged or of different models",
       where, quote(entry.name), entry.dtype, fmt::join(entry.shape, ", "));
}

/// Which rows of a matrix are meant: of gate and up together, every other one.
struct Part {
  const char* gguf;  ///< "ffn_gate_exps"
  int64_t first, step;
};

std::vector<Part> parts_of(std::string_view theirs) {
  if (theirs != kGateUp) return {{"ffn_down_exps", 0, 1}};
  return {{"ffn_gate_exps", 0, 2}, {"ffn_up_exps", 1, 2}};
}

/// A block of MXFP4 as GGUF has it: the scale, then the codes of values 0..15 in the low nibbles
/// and of 16..31 in the high ones. Theirs has two neighbours in a byte.
void write_block(std::byte scale, const std::byte* theirs, std::byte* out) {
  const auto code = [&](int i) {
    const auto both = std::to_integer<unsigned>(theirs[i / 2]);
    return i % 2 == 0 ? both & 15u : both >> 4;
  };
  out[0] = scale;
  for (int i = 0; i < kBlockBytes; ++i) {
    out[1 + i] = static_cast<std::byte>(code(i) | code(i + kBlockBytes) << 4);
  }
}

/// blocks [experts][rows * step][groups][16], scales [experts][rows * step][groups].
RowMaker mxfp4_rows(std::span<const std::byte> blocks, std::span<const std::byte> scales,
                    int64_t rows, int64_t groups, Part part) {
  const auto make = [=](int64_t first, int64_t count, std::byte* out) {
    for (int64_t row = first; row < first + count; ++row) {
      const int64_t expert = row / rows;
      const int64_t from = (expert * rows + row % rows) * part.step + part.first;
      for (int64_t g = 0; g < groups; ++g, out += 1 + kBlockBytes) {
        const auto at = static_cast<size_t>(from * groups + g);
        write_block(scales[at], blocks.data() + at * kBlockBytes, out);
      }
    }
  };
  return {make, {blocks, scales}};
}

/// values [experts][columns][rows * step] of `size` bytes each.
RowMaker transposed_rows(std::span<const std::byte> values, size_t size, int64_t rows,
                         int64_t columns, Part part) {
  const auto make = [=](int64_t first, int64_t count, std::byte* out) {
    for (int64_t row = first; row < first + count; ++row) {
      const int64_t expert = row / rows;
      const int64_t width = rows * part.step;
      const int64_t from = expert * columns * width + row % rows * part.step + part.first;
      for (int64_t c = 0; c < columns; ++c, out += size) {
        std::memcpy(out, values.data() + static_cast<size_t>(from + c * width) * size, size);
      }
    }
  };
  return {make, {values}};
}

}  // namespace

bool GptOssTensors::take(const SafetensorsEntry& entry, int64_t layers, const std::string& where) {
  constexpr std::string_view kPrefix = "model.layers.", kExperts = ".mlp.experts.";
  const std::string_view name = entry.name;
  const size_t at = name.find(kExperts);
  if (!name.starts_with(kPrefix) || at == std::string_view::npos || at < kPrefix.size())
    return false;
  int64_t layer = -1;
  const char* const end = name.data() + at;
  const auto [stop, error] = std::from_chars(name.data() + kPrefix.size(), end, layer);
  const std::string piece(name.substr(at + kExperts.size()));
  bool known = false;
  for (const char* matrix : {"gate_up_proj", "down_proj"}) {
    for (const char* ending : {"", "_blocks", "_scales", "_bias"}) {
      known = known || piece == std::string(matrix) + ending;
    }
  }
  if (error != std::errc() || stop != end || !known) return false;
  if (layer < 0 || layer >= layers) {
    fail(ErrorCode::invalid_file, "{}: tensor {} is of layer {}, but config.json has {} layers",
         where, quote(name), layer, layers);
  }
  if (!layers_[layer].emplace(piece, Piece{entry, where}).second) {
    fail(ErrorCode::invalid_file, "{}: tensor {} is there twice; the file is damaged", where,
         quote(name));
  }
  return true;
}

void GptOssTensors::finish(ModelFileBuilder& builder, const std::string& where) {
  for (const auto& [layer, pieces] : layers_) {
    for (const char* theirs : {"gate_up_proj", "down_proj"}) {
      const std::string name = theirs;
      const bool blocks = pieces.contains(name + "_blocks") && pieces.contains(name + "_scales");
      if ((!blocks && !pieces.contains(name)) || !pieces.contains(name + "_bias")) {
        fail(ErrorCode::invalid_file,
             "{}: layer {} lacks mlp.experts.{} (or its _blocks and _scales) or {}_bias; fetch all "
             "weight files",
             where, layer, name, name);
      }
      add_matrix(builder, pieces, layer, theirs);
      add_bias(builder, pieces, layer, theirs);
    }
  }
}

void GptOssTensors::add_matrix(ModelFileBuilder& builder, const Pieces& pieces, int64_t layer,
                               const char* theirs) {
  const std::string name = theirs;
  const auto scaled = pieces.find(name + "_blocks");
  for (const Part& part : parts_of(theirs)) {
    TensorView view;
    view.name = fmt::format("blk.{}.{}.weight", layer, part.gguf);
    if (scaled != pieces.end()) {
      const auto& [blocks, from] = scaled->second;
      const SafetensorsEntry& scales = pieces.at(name + "_scales").entry;
      const std::vector<int64_t>& s = blocks.shape;
      if (s.size() != 4 || s[3] != kBlockBytes || s[1] % part.step != 0 || blocks.dtype != "U8" ||
          blocks.data.empty()) {
        fail_shape(blocks, from);
      }
      if (scales.dtype != "U8" || scales.shape != std::vector<int64_t>{s[0], s[1], s[2]}) {
        fail_shape(scales, from);
      }
      view.type = StorageType::mxfp4;
      view.shape = {s[0], s[1] / part.step, s[2] * kBlockValues};
      view.rows = mxfp4_rows(blocks.data, scales.data, view.shape[1], s[2], part);
    } else {
      const auto& [values, from] = pieces.at(name);
      const std::vector<int64_t>& s = values.shape;
      if (s.size() != 3 || s[2] % part.step != 0 || values.data.empty()) fail_shape(values, from);
      view.type = safetensors_storage_type(values, from);
      view.shape = {s[0], s[2] / part.step, s[1]};
      const auto size = static_cast<size_t>(traits(view.type).block_bytes);
      view.rows = transposed_rows(values.data, size, view.shape[1], view.shape[2], part);
    }
    builder.add_tensor(std::move(view), scaled != pieces.end() ? scaled->second.where : "");
  }
}

void GptOssTensors::add_bias(ModelFileBuilder& builder, const Pieces& pieces, int64_t layer,
                             const char* theirs) {
  const auto& [bias, where] = pieces.at(std::string(theirs) + "_bias");
  const std::vector<int64_t>& s = bias.shape;
  for (const Part& part : parts_of(theirs)) {
    if (s.size() != 2 || s[1] % part.step != 0 || bias.data.empty()) fail_shape(bias, where);
    TensorView view;
    view.name = fmt::format("blk.{}.{}.bias", layer, part.gguf);
    view.type = safetensors_storage_type(bias, where);
    view.shape = {s[0], s[1] / part.step};
    const auto size = static_cast<size_t>(traits(view.type).block_bytes);
    std::vector<std::byte> values;
    const size_t step = size * static_cast<size_t>(part.step);
    for (size_t at = size * static_cast<size_t>(part.first); at < bias.data.size(); at += step) {
      values.insert(values.end(), bias.data.begin() + static_cast<ptrdiff_t>(at),
                    bias.data.begin() + static_cast<ptrdiff_t>(at + size));
    }
    builder.add_owned_tensor(std::move(view), std::move(values), where);
  }
}

}  // namespace lazyllm::formats
