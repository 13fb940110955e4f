// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_config.h"

#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "formats/hugging_face_rope.h"
#include "formats/json_object.h"
#include "formats/quote.h"

namespace lazyllm::formats {
namespace {

constexpr int64_t kMostLayers = 10'000;
constexpr int64_t kMostHeads = 65'536;
constexpr int64_t kWidest = int64_t{1} << 30;
constexpr int64_t kLongestContext = int64_t{1} << 30;
constexpr int64_t kLargestToken = std::numeric_limits<int32_t>::max();

/// What the transformers library assumes where a config says nothing. Multimodal
/// Gemma configs really leave most of these out. 0: no default, the key is required.
struct ModelType {
  std::string_view name;
  std::string_view architecture;
  int64_t hidden, feed_forward, layers, heads, heads_kv, head_dimension;
  int64_t context, vocabulary, window;
  double theta;
  bool tied, attention_bias;
};

constexpr int64_t kAsHeads = -1;  // heads_kv as many as heads; head_dimension hidden / heads
constexpr std::array<ModelType, 5> kModelTypes = {{
    {"llama", "llama", 0, 0, 0, 0, kAsHeads, kAsHeads, 0, 0, 0, 1e4, false, false},
    {"mistral", "llama", 0, 0, 0, 0, 8, kAsHeads, 131072, 0, 4096, 1e4, false, false},
    {"qwen2", "qwen2", 0, 0, 0, 0, 32, kAsHeads, 32768, 0, 4096, 1e4, false, true},
    {"qwen3", "qwen3", 0, 0, 0, 0, 32, 128, 32768, 0, 4096, 1e4, false, false},
    {"gemma3_text", "gemma3", 2304, 9216, 26, 8, 4, 256, 131072, 262208, 4096, 1e6, true, false},
}};

const ModelType& find_model_type(const JsonObject& config) {
  const auto name = config.text("model_type");
  if (!name) {
    fail(ErrorCode::invalid_file,
         "{}: there is no \"model_type\"; is this the config.json of a language model?",
         config.where());
  }
  for (const ModelType& type : kModelTypes) {
    if (type.name == *name) return type;
  }
  std::string supported;
  for (const ModelType& type : kModelTypes) supported += std::string(type.name) + ", ";
  fail(ErrorCode::unsupported, "{}: model_type {} is not supported; {}gemma3 are", config.where(),
       quote(*name), supported);
}

/// Fills one TranslatedConfig from the language model's part of config.json.
class Translator {
 public:
  Translator(const JsonObject& config, const JsonObject& outer)
      : config_(config), outer_(outer), type_(find_model_type(config)) {
    result_.architecture = type_.architecture;
  }

  TranslatedConfig translate() {
    result_.metadata["general.architecture"] = result_.architecture;
    translate_sizes();
    translate_rope(config_, result_.architecture, type_.theta, head_dimension_, result_.metadata);
    translate_window();
    translate_flags();
    return std::move(result_);
  }

 private:
  MetadataValue& key(std::string_view name) {
    return result_.metadata[result_.architecture + "." + std::string(name)];
  }

  int64_t size(std::string_view name, int64_t maximum, int64_t fallback) const {
    const auto value = config_.integer(name, 1, maximum);
    if (value || fallback > 0) return value.value_or(fallback);
    fail(ErrorCode::invalid_file, "{}: {} is missing; fetch the folder's config.json again",
         config_.where(), config_.name(name));
  }

  void translate_sizes() {
    const int64_t hidden = size("hidden_size", kWidest, type_.hidden);
    const int64_t heads = size("num_attention_heads", kMostHeads, type_.heads);
    const int64_t heads_kv = size("num_key_value_heads", kMostHeads,
                                  type_.heads_kv == kAsHeads ? heads : type_.heads_kv);
    if (heads % heads_kv != 0) {
      fail(ErrorCode::invalid_file, "{}: {} attention heads cannot share {} key-value heads evenly",
           config_.where(), heads, heads_kv);
    }
    if (type_.head_dimension == kAsHeads && !config_.has("head_dim") && hidden % heads != 0) {
      fail(ErrorCode::invalid_file, "{}: hidden_size {} is no multiple of {} heads",
           config_.where(), hidden, heads);
    }
    head_dimension_ =
        size("head_dim", kWidest,
             type_.head_dimension == kAsHeads ? hidden / heads : type_.head_dimension);
    result_.block_count = size("num_hidden_layers", kMostLayers, type_.layers);
    key("block_count") = result_.block_count;
    key("context_length") = size("max_position_embeddings", kLongestContext, type_.context);
    key("embedding_length") = hidden;
    key("feed_forward_length") = size("intermediate_size", kWidest, type_.feed_forward);
    key("vocab_size") = size("vocab_size", kLargestToken, type_.vocabulary);
    key("attention.head_count") = heads;
    key("attention.head_count_kv") = heads_kv;
    key("attention.key_length") = head_dimension_;
    key("attention.value_length") = head_dimension_;
    key("attention.layer_norm_rms_epsilon") = positive("rms_norm_eps", 1e-6);
  }

  double positive(std::string_view name, double fallback) const {
    const double value = config_.real(name).value_or(fallback);
    if (!(value > 0) || !std::isfinite(value)) {
      fail(ErrorCode::invalid_file, "{}: {} is {}, expected a positive number", config_.where(),
           config_.name(name), value);
    }
    return value;
  }

  /// Which layers slide: layer_types where the config has it, else the rule of the model type.
  void translate_window() {
    const bool qwen = type_.name == "qwen2" || type_.name == "qwen3";
    if (type_.window == 0) return;  // llama has none, whatever stands there
    if (qwen && !config_.boolean("use_sliding_window").value_or(false)) return;
    // An explicit null switches the window off; only an absent key means the default.
    const bool absent = !config_.raw().contains("sliding_window");
    const auto window = config_.integer("sliding_window", 1, kLongestContext);
    if (!window && !absent) return;

    std::vector<int64_t> slides = listed_layers();
    if (slides.empty()) {
      const auto pattern_name = config_.has("sliding_window_pattern") ? "sliding_window_pattern"
                                                                      : "_sliding_window_pattern";
      const int64_t pattern = config_.integer(pattern_name, 1, kMostLayers).value_or(6);
      const int64_t first = config_.integer("max_window_layers", 0, kMostLayers).value_or(28);
      const bool gemma = type_.architecture == "gemma3";
      for (int64_t layer = 0; layer < result_.block_count; ++layer) {
        slides.push_back(gemma ? (layer + 1) % pattern != 0 : !qwen || layer >= first);
      }
      if (gemma) key("attention.sliding_window_pattern") = pattern;
    }
    key("attention.sliding_window") = window.value_or(type_.window);
    key("attention.sliding_window_layers") = std::move(slides);
  }

  std::vector<int64_t> listed_layers() const {
    std::vector<int64_t> slides;
    if (!config_.has("layer_types")) return slides;
    for (const std::string& kind : config_.texts("layer_types")) {
      if (kind != "full_attention" && kind != "sliding_attention") {
        fail(ErrorCode::unsupported,
             "{}: layer type {} is not supported; full_attention and sliding_attention are",
             config_.where(), quote(kind));
      }
      slides.push_back(kind == "sliding_attention");
    }
    if (static_cast<int64_t>(slides.size()) != result_.block_count) {
      fail(ErrorCode::invalid_file, "{}: layer_types names {} layers, but there are {}",
           config_.where(), slides.size(), result_.block_count);
    }
    return slides;
  }

  void translate_flags() {
    const bool gemma = type_.architecture == "gemma3";
    key("hidden_act") =
        config_.text("hidden_activation")
            .value_or(config_.text("hidden_act").value_or(gemma ? "gelu_pytorch_tanh" : "silu"));
    for (const char* name : {"attn_logit_softcapping", "final_logit_softcapping"}) {
      if (config_.has(name)) key(name) = positive(name, 0);
    }
    if (gemma) {
      key("attention.scale") = 1.0 / std::sqrt(positive("query_pre_attn_scalar", 256));
      if (config_.boolean("use_bidirectional_attention").value_or(false)) {
        fail(ErrorCode::unsupported,
             "{}: this model attends in both directions; lazyllm runs causal language models",
             config_.where());
      }
    }
    result_.tied_embeddings =
        config_.boolean("tie_word_embeddings")
            .value_or(outer_.boolean("tie_word_embeddings").value_or(type_.tied));
    result_.attention_bias =
        type_.attention_bias || config_.boolean("attention_bias").value_or(false);
    key("attention.bias") = result_.attention_bias;
    key("tie_word_embeddings") = result_.tied_embeddings;
  }

  const JsonObject& config_;
  const JsonObject& outer_;
  const ModelType& type_;
  int64_t head_dimension_ = 0;
  TranslatedConfig result_;
};

/// The first of the objects that has the key decides; a list is kept whole.
std::vector<int64_t> special_tokens(const std::vector<JsonObject>& objects, std::string_view key) {
  for (const JsonObject& object : objects) {
    auto tokens = object.integers(key, 0, kLargestToken);
    if (!tokens.empty()) return tokens;
  }
  return {};
}

void translate_special_tokens(const std::vector<JsonObject>& objects, Metadata& metadata) {
  const auto copy_first = [&](std::string_view key, const std::string& as) {
    const auto tokens = special_tokens(objects, key);
    if (!tokens.empty()) metadata["tokenizer.ggml." + as] = tokens[0];
  };
  copy_first("bos_token_id", "bos_token_id");
  copy_first("eos_token_id", "eos_token_id");
  copy_first("pad_token_id", "padding_token_id");
  auto ends = special_tokens(objects, "eos_token_id");
  if (!ends.empty()) metadata["tokenizer.ggml.eos_token_ids"] = std::move(ends);
}

/// A template file wins over the one inside tokenizer_config.json, which is a text
/// or a list of named ones.
void translate_chat_template(const ConfigTexts& texts, const std::string& folder,
                             Metadata& metadata) {
  if (!texts.chat_template.empty()) {
    metadata["tokenizer.chat_template"] = std::string(texts.chat_template);
    return;
  }
  if (texts.tokenizer_config.empty()) return;
  const std::string where = folder + "/tokenizer_config.json";
  const auto json = parse_json_object(texts.tokenizer_config, where);
  const JsonObject config(json, where);
  if (!config.has("chat_template")) return;
  const auto& found = json["chat_template"];
  if (!found.is_array()) {
    metadata["tokenizer.chat_template"] = *config.text("chat_template");
    return;
  }
  for (const auto& item : found) {
    if (!item.is_object()) continue;
    const JsonObject named(item, where, "chat_template.");
    const auto text = named.text("template");
    if (text && named.text("name") == "default") metadata["tokenizer.chat_template"] = *text;
  }
}

}  // namespace

TranslatedConfig translate_config(const ConfigTexts& texts, const std::string& folder) {
  const std::string where = folder + "/config.json";
  const auto json = parse_json_object(texts.config, where);
  const JsonObject outer(json, where);
  if (outer.has("quantization_config")) {
    fail(ErrorCode::unsupported,
         "{}: the weights are quantised (quantization_config); take the original folder with "
         "F32, F16 or BF16 weights, or a GGUF file",
         where);
  }
  // Multimodal models keep the language model's settings inside.
  const bool multimodal = outer.text("model_type") == "gemma3";
  if (multimodal && !outer.has("text_config")) {
    fail(ErrorCode::invalid_file, "{}: a gemma3 model without \"text_config\"", where);
  }
  const JsonObject inner = multimodal ? *outer.object("text_config") : outer;
  TranslatedConfig result = Translator(inner, outer).translate();

  nlohmann::json generation = nlohmann::json::object();
  const std::string generation_where = folder + "/generation_config.json";
  if (!texts.generation_config.empty()) {
    generation = parse_json_object(texts.generation_config, generation_where);
  }
  translate_special_tokens({JsonObject(generation, generation_where), outer, inner},
                           result.metadata);
  translate_chat_template(texts, folder, result.metadata);
  if (const auto name = outer.text("_name_or_path")) result.metadata["general.name"] = *name;
  return result;
}

}  // namespace lazyllm::formats
