// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_reader.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json_object.h"
#include "base/quote.h"
#include "formats/gpt_oss_tensors.h"
#include "formats/hugging_face_config.h"
#include "formats/hugging_face_names.h"
#include "formats/known_keys.h"
#include "formats/model_file_builder.h"
#include "formats/safetensors.h"

namespace lazyllm::formats {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSingle = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";

std::string read_optional(const fs::path& path) {
  return fs::exists(path) ? read_text_file(path) : std::string();
}

std::vector<std::string> files_with_suffix(const fs::path& folder, std::string_view suffix) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(suffix)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

[[noreturn]] void fail_without_config(const fs::path& folder) {
  const auto gguf = files_with_suffix(folder, ".gguf");
  if (!gguf.empty()) {
    fail(ErrorCode::invalid_file, "{}: this folder holds GGUF files; name one of them, e.g. {}",
         folder.string(), (folder / gguf[0]).string());
  }
  fail(ErrorCode::invalid_file,
       "{}: this folder has no config.json; name a GGUF file or a Hugging Face model folder",
       folder.string());
}

[[noreturn]] void fail_without_weights(const fs::path& folder) {
  if (!files_with_suffix(folder, ".bin").empty()) {
    fail(ErrorCode::unsupported,
         "{}: the weights are PyTorch .bin files, which lazyllm does not read; fetch the model's "
         "safetensors files or convert them",
         folder.string());
  }
  fail(ErrorCode::invalid_file, "{}: there is a config.json but no {} or {}; fetch the weights too",
       folder.string(), kSingle, kIndex);
}

/// Tensor name -> file, from model.safetensors.index.json.
std::map<std::string, std::string> read_index(const fs::path& path) {
  const std::string where = path.string();
  const auto json = parse_json_object(read_text_file(path), where);
  const JsonObject index(json, where);
  const auto map = index.object("weight_map");
  if (!map) fail(ErrorCode::invalid_file, "{}: there is no \"weight_map\"", where);
  std::map<std::string, std::string> files;
  for (const auto& [tensor, value] : map->raw().items()) {
    const auto file = map->text(tensor);
    // Only files beside the index: a hostile index must not reach into other folders.
    if (!file || file->empty() || file->find_first_of("/\\") != std::string::npos ||
        !file->ends_with(".safetensors")) {
      fail(ErrorCode::invalid_file, "{}: tensor {} is said to be in {}, not a file of this folder",
           where, quote(tensor), file ? quote(*file) : "null");
    }
    files.emplace(tensor, *file);
  }
  return files;
}

/// Adds the tensors of safetensors files to a ModelFile under GGUF's names.
class WeightLoader {
 public:
  WeightLoader(ModelFileBuilder& builder, const TranslatedConfig& config)
      : builder_(builder), config_(config) {}

  void load(const fs::path& path) {
    const std::string where = path.string();
    for (const auto& entry : parse_safetensors(builder_.add_mapping(FileMapping(path)), where)) {
      add(entry, where);
      seen_.insert(entry.name);
    }
  }

  /// Of a tied model's one matrix, some tools write both names and some only lm_head.
  void finish(const std::string& where) {
    experts_.finish(builder_, where);
    if (skipped_ > 0) {
      builder_.add_warning(
          fmt::format("{}: {} tensors of images and sound are left out ({} and so on); lazyllm "
                      "reads text only",
                      where, skipped_, first_skipped_));
    }
    if (!tied_output_) return;
    const TensorView* embedding = builder_.file().find_tensor("token_embd.weight");
    if (embedding == nullptr) {
      tied_output_->name = "token_embd.weight";
    } else if (same_values(*embedding, *tied_output_)) {
      return;
    } else {  // as transformers does it
      builder_.add_warning(fmt::format(
          "{}: config.json says that the output matrix is the embedding, but the folder has one of "
          "its own (lm_head.weight) with other values, which is taken",
          where));
    }
    builder_.add_tensor(std::move(*tied_output_), where);
  }

  /// Buffers, and the second name of a tied matrix: transformers does not miss them either.
  bool can_do_without(const std::string& name) const {
    const TranslatedName translated =
        translate_tensor_name(name, config_.architecture, config_.wrapped);
    return translated.use == TensorUse::ignored || translated.use == TensorUse::other_modality ||
           (config_.tied_embeddings && translated.name == "output.weight");
  }

  bool saw(const std::string& name) const { return seen_.contains(name); }

 private:
  void add(const SafetensorsEntry& entry, const std::string& where) {
    if (config_.architecture == "gpt-oss" && experts_.take(entry, config_.block_count, where)) {
      return;
    }
    TranslatedName translated =
        translate_tensor_name(entry.name, config_.architecture, config_.wrapped);
    if (translated.use == TensorUse::ignored) return;
    if (translated.use == TensorUse::other_modality) {
      if (skipped_++ == 0) first_skipped_ = entry.name;
      return;
    }
    if (translated.use == TensorUse::unknown) {
      fail(ErrorCode::unsupported,
           "{}: tensor {} belongs to no part that a model of architecture {} has; this is an "
           "adapter, a quantised or another kind of model",
           where, quote(entry.name), config_.architecture);
    }
    if (translated.layer >= config_.block_count) {
      fail(ErrorCode::invalid_file,
           "{}: tensor {} is of layer {}, but config.json has {} layers; the files are of "
           "different models",
           where, quote(entry.name), translated.layer, config_.block_count);
    }
    if (entry.shape.empty() || entry.shape.size() > 4 || entry.data.empty()) {
      fail(ErrorCode::invalid_file, "{}: tensor {} has {} dimensions and {} bytes; it is damaged",
           where, quote(entry.name), entry.shape.size(), entry.data.size());
    }
    const StorageType type = safetensors_storage_type(entry, where);
    TensorView view{std::move(translated.name), type, entry.shape, entry.data, {}};
    const bool by_channel = view.name.ends_with("shortconv.conv.weight");
    if (by_channel && view.shape.size() == 3 && view.shape[1] == 1) {  // as GGUF has it
      view.shape.erase(view.shape.begin() + 1);
    }
    if (config_.tied_embeddings && view.name == "output.weight") {
      tied_output_ = std::move(view);
    } else {
      builder_.add_tensor(std::move(view), where);
    }
  }

  static bool same_values(const TensorView& a, const TensorView& b) {
    return a.type == b.type && a.shape == b.shape && std::ranges::equal(a.data, b.data);
  }

  ModelFileBuilder& builder_;
  const TranslatedConfig& config_;
  GptOssTensors experts_;
  size_t skipped_ = 0;  ///< of other modalities
  std::string first_skipped_;
  std::set<std::string> seen_;
  std::optional<TensorView> tied_output_;
};

void load_sharded(const fs::path& folder, WeightLoader& loader) {
  const fs::path index_path = folder / kIndex;
  const auto index = read_index(index_path);
  std::set<std::string> files;
  for (const auto& [tensor, file] : index) files.insert(file);
  for (const std::string& file : files) {
    if (!fs::exists(folder / file)) {
      fail(ErrorCode::io, "{} is missing, one of the {} weight files of this model; fetch it too",
           (folder / file).string(), files.size());
    }
    loader.load(folder / file);
  }
  for (const auto& [tensor, file] : index) {
    if (loader.saw(tensor) || loader.can_do_without(tensor)) continue;
    fail(ErrorCode::invalid_file, "{}: tensor {} is not in {}; the files are of different models",
         index_path.string(), quote(tensor), file);
  }
}

void load_weights(const fs::path& folder, WeightLoader& loader) {
  if (fs::exists(folder / kSingle)) return loader.load(folder / kSingle);
  if (fs::exists(folder / kIndex)) return load_sharded(folder, loader);
  const auto others = files_with_suffix(folder, ".safetensors");
  if (others.size() != 1) fail_without_weights(folder);
  loader.load(folder / others[0]);
}

/// What the engine would otherwise take as "this model has none of these".
void check_complete(const ModelFile& file, const TranslatedConfig& config) {
  file.tensor("token_embd.weight");
  if (!config.tied_embeddings) file.tensor("output.weight");
  const auto require_biases = [&](std::initializer_list<const char*> names) {
    for (int64_t layer = 0; layer < config.block_count; ++layer) {
      for (const char* name : names) file.tensor(fmt::format("blk.{}.{}.bias", layer, name));
    }
  };
  if (config.attention_bias) require_biases({"attn_q", "attn_k", "attn_v"});
  if (config.mlp_bias) require_biases({"ffn_gate", "ffn_up", "ffn_down"});
  if (config.architecture == "gpt-oss") require_biases({"attn_output"});
}

}  // namespace

std::shared_ptr<const ModelFile> open_hugging_face(const fs::path& folder) {
  if (!fs::exists(folder / "config.json")) fail_without_config(folder);
  const std::string config_text = read_text_file(folder / "config.json");
  const std::string generation_text = read_optional(folder / "generation_config.json");
  const std::string template_text = read_optional(folder / "chat_template.jinja");
  std::string tokenizer_config = read_optional(folder / "tokenizer_config.json");
  TranslatedConfig config = translate_config(
      {config_text, generation_text, tokenizer_config, template_text}, folder.string());

  ModelFileBuilder builder(Container::hugging_face, folder);
  builder.metadata() = std::move(config.metadata);
  if (!config.unknown_keys.empty()) {
    builder.add_warning(
        unknown_keys_message((folder / "config.json").string(), config.unknown_keys));
  }
  builder.metadata().emplace("general.name", fs::absolute(folder).filename().string());
  builder.set_tokenizer_json(read_optional(folder / "tokenizer.json"));
  builder.set_tokenizer_config_json(std::move(tokenizer_config));
  WeightLoader loader(builder, config);
  load_weights(folder, loader);
  loader.finish(folder.string());
  check_complete(builder.file(), config);
  return builder.finish();
}

}  // namespace lazyllm::formats
