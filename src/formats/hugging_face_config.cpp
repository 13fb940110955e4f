// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/json_object.h"
#include "base/quote.h"
#include "formats/hugging_face_gemma4.h"
#include "formats/hugging_face_lfm2.h"
#include "formats/hugging_face_model_types.h"
#include "formats/hugging_face_rope.h"
#include "formats/known_keys.h"
#include "formats/recurrent_models.h"

namespace lazyllm::formats {
namespace {

constexpr int64_t kMostLayers = 10'000;
constexpr int64_t kMostExperts = 65'536;
constexpr int64_t kMostHeads = 65'536;
constexpr int64_t kWidest = int64_t{1} << 30;
constexpr int64_t kLargestToken = std::numeric_limits<int32_t>::max();

const ModelType& find_model_type(const JsonObject& config) {
  const auto name = config.text("model_type");
  if (!name) {
    fail(ErrorCode::invalid_file,
         "{}: there is no \"model_type\"; is this the config.json of a language model?",
         config.where());
  }
  for (const ModelType& type : model_types()) {
    if (type.name == *name) return type;
  }
  if (const auto layers = recurrent_layers_of(*name); !layers.empty()) {
    fail(
        ErrorCode::unsupported,
        "{}: model_type {} is not supported, because its layers have a recurrent state ({}), which "
        "lazyllm does not implement; {} are supported",
        config.where(), quote(*name), layers, supported_model_types());
  }
  fail(ErrorCode::unsupported, "{}: model_type {} is not supported; {} are", config.where(),
       quote(*name), supported_model_types());
}

const Wrapper* find_wrapper(const JsonObject& outer) {
  const auto name = outer.text("model_type");
  for (const Wrapper& wrapper : wrappers()) {
    if (wrapper.name == name) return &wrapper;
  }
  return nullptr;
}

/// Fills one TranslatedConfig from the language model's part of config.json.
class Translator {
 public:
  Translator(const JsonObject& config, const JsonObject& outer, const Wrapper* wrapper)
      : config_(config), outer_(outer), type_(find_model_type(config)) {
    if (wrapper != nullptr) wrapper_tied_ = wrapper->tied;
    result_.wrapped = wrapper != nullptr;
    result_.architecture = type_.architecture;
  }

  TranslatedConfig translate() {
    result_.metadata["general.architecture"] = result_.architecture;
    translate_sizes();
    translate_rope(config_, result_.architecture, type_.theta, head_dimension_, result_.metadata);
    translate_rotated_layers();
    if (!type_.is_lfm2()) translate_window();
    if (type_.architecture == "gemma4") translate_gemma4(config_, gemma4_full_, result_.metadata);
    translate_experts();
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
    key("feed_forward_length") =
        size(config_.has("block_ff_dim") && type_.is_lfm2() ? "block_ff_dim" : "intermediate_size",
             kWidest, type_.feed_forward);
    key("vocab_size") = size("vocab_size", kLargestToken, type_.vocabulary);
    key("attention.head_count") = heads;
    key("attention.head_count_kv") = heads_kv;
    if (type_.architecture == "gemma4") {  // what GGUF has without a word is that of full layers
      key("attention.key_length_swa") = head_dimension_;
      key("attention.value_length_swa") = head_dimension_;
      key("rope.dimension_count_swa") = head_dimension_;
      gemma4_full_ = gemma4_full_layers(config_, head_dimension_, heads_kv);
      head_dimension_ = gemma4_full_.head_dimension;
    }
    key("attention.key_length") = head_dimension_;
    key("attention.value_length") = head_dimension_;
    key("attention.layer_norm_rms_epsilon") =
        positive(type_.is_lfm2() ? "norm_eps" : "rms_norm_eps", type_.epsilon);
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
    std::vector<int64_t> slides = listed_layers();
    const bool any_listed = std::find(slides.begin(), slides.end(), 1) != slides.end();
    if (type_.slides == SlidingRule::none) {
      if (!any_listed) return;
      fail(ErrorCode::unsupported, "{}: {} names sliding_attention, which model_type {} has not",
           config_.where(), config_.name("layer_types"), quote(type_.name));
    }
    const bool off =
        type_.needs_use_sliding_window() && !config_.boolean("use_sliding_window").value_or(false);
    // An explicit null switches the window off; only an absent key means the default.
    const bool absent = !config_.raw().contains("sliding_window") && type_.window > 0;
    const auto window = config_.integer("sliding_window", 1, kLongestContext);
    if (off || (!window && !absent)) {
      if (!any_listed) return;
      fail(ErrorCode::invalid_file,
           "{}: {} names sliding_attention, but {} is off; fetch the folder's config.json again",
           config_.where(), config_.name("layer_types"), config_.name("sliding_window"));
    }
    if (slides.empty()) slides = ruled_layers();
    key("attention.sliding_window") = window.value_or(type_.window);
    key("attention.sliding_window_layers") = std::move(slides);
  }

  std::vector<int64_t> ruled_layers() {
    std::vector<int64_t> slides;
    const int64_t pattern = type_.slides == SlidingRule::pattern ? window_pattern() : 0;
    const int64_t bound = config_.integer("max_window_layers", 0, kMostLayers).value_or(28);
    for (int64_t layer = 0; layer < result_.block_count; ++layer) {
      const bool even = layer % 2 == 0;
      const bool rotated = rotated_.empty() || rotated_[static_cast<size_t>(layer)] != 0;
      const bool rules[] = {false,
                            true,
                            pattern > 0 && (layer + 1) % pattern != 0,
                            layer >= bound,
                            even && layer < bound,
                            even,
                            !rotated};
      slides.push_back(rules[static_cast<size_t>(type_.slides)]);
    }
    if (type_.slides == SlidingRule::pattern) key("attention.sliding_window_pattern") = pattern;
    return slides;
  }

  /// Every how many layers one does not slide.
  int64_t window_pattern() const {
    const auto name = config_.has("sliding_window_pattern") ? "sliding_window_pattern"
                                                            : "_sliding_window_pattern";
    const int64_t fallback = type_.name == "exaone4" ? 4 : 6;
    const auto found = config_.raw().find(name);
    if (found == config_.raw().end() || !found->is_string()) {
      return config_.integer(name, 1, kMostLayers).value_or(fallback);
    }
    const std::string letters = *config_.text(name);  // EXAONE: "LLLG"
    const size_t global = letters.find('G');
    if (global == std::string::npos || global + 1 != letters.size() ||
        letters.find_first_not_of('L') != global) {
      fail(ErrorCode::unsupported, "{}: {} is {}; a number or letters like \"LLLG\" are read",
           config_.where(), config_.name(name), quote(letters));
    }
    return static_cast<int64_t>(letters.size());
  }

  /// smollm3: in which layers positions are rotated.
  void translate_rotated_layers() {
    if (type_.name != "smollm3") return;
    rotated_ = config_.integers("no_rope_layers", 0, 1);  // 1 where there is rope, sic
    if (!rotated_.empty() && std::ssize(rotated_) != result_.block_count) {
      fail(ErrorCode::invalid_file, "{}: {} names {} layers, but there are {}", config_.where(),
           config_.name("no_rope_layers"), rotated_.size(), result_.block_count);
    }
    const int64_t step = config_.integer("no_rope_layer_interval", 1, kMostLayers).value_or(4);
    for (int64_t layer = std::ssize(rotated_); layer < result_.block_count; ++layer) {
      rotated_.push_back((layer + 1) % step != 0);
    }
    key("rope.layers") = rotated_;
  }

  /// Which layers have a mixture of experts, and of what size.
  void translate_experts() {
    if (type_.is_lfm2()) return translate_lfm2(config_, type_, result_);
    if (type_.experts == ExpertKeys::none) return;
    const bool granite = type_.experts == ExpertKeys::granite;
    const bool mixtral = granite || type_.experts == ExpertKeys::mixtral;
    const int64_t count = size(mixtral ? "num_local_experts" : "num_experts", kMostExperts, 0);
    key("expert_count") = count;
    key("expert_used_count") = size("num_experts_per_tok", count,
                                    type_.name == "gpt_oss" ? std::min<int64_t>(4, count) : 0);
    const double limit = config_.real("swiglu_limit").value_or(7.0);
    const double alpha = config_.real("swiglu_alpha").value_or(1.702);
    if (type_.name == "gpt_oss" && (limit != 7.0 || alpha != 1.702)) {
      fail(ErrorCode::unsupported,
           "{}: swiglu_limit is {} and swiglu_alpha {}; lazyllm implements 7 and 1.702",
           config_.where(), limit, alpha);
    }
    if (mixtral) {
      key("expert_feed_forward_length") = size("intermediate_size", kWidest, 0);
      const auto shared = config_.integer("shared_intermediate_size", 0, kWidest);
      if (type_.name == "granitemoeshared" && shared.value_or(0) > 0) {
        key("expert_shared_feed_forward_length") = *shared;
      }
      return;
    }
    key("expert_feed_forward_length") = size("moe_intermediate_size", kWidest, 0);
    if (type_.experts == ExpertKeys::qwen2) {
      key("expert_shared_feed_forward_length") =
          size("shared_expert_intermediate_size", kWidest, 0);
    }
    key("expert_weights_norm") = config_.boolean("norm_topk_prob").value_or(false);
    const int64_t step = config_.integer("decoder_sparse_step", 1, kMostLayers).value_or(1);
    const std::vector<int64_t> dense = config_.integers("mlp_only_layers", 0, kMostLayers);
    std::vector<int64_t> layers;
    for (int64_t layer = 0; layer < result_.block_count; ++layer) {
      const bool is_dense = std::find(dense.begin(), dense.end(), layer) != dense.end();
      layers.push_back(!is_dense && (layer + 1) % step == 0);
    }
    key("expert_layers") = std::move(layers);
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
    // Each model type reads one of the two words; transformers ignores the other.
    key("hidden_act") = type_.is_gemma()
                            ? config_.text("hidden_activation").value_or("gelu_pytorch_tanh")
                            : config_.text("hidden_act").value_or("silu");
    if (type_.is_lfm2()) key("hidden_act") = "silu";  // transformers asks no config
    const bool caps = type_.name == "gemma2";         // where null is none, and absent is not
    const std::pair<const char*, double> soft_caps[] = {{"attn_logit_softcapping", 50},
                                                        {"final_logit_softcapping", 30}};
    for (const auto& [name, fallback] : soft_caps) {
      if (!type_.is_gemma()) break;  // the others have none, see known_keys
      const bool absent = !config_.raw().contains(name);
      if (config_.has(name) || (caps && absent)) key(name) = positive(name, fallback);
    }
    if (type_.is_gemma() && type_.architecture != "gemma4") {
      key("attention.scale") = 1.0 / std::sqrt(positive("query_pre_attn_scalar", 256));
    }
    if (type_.name.starts_with("granite")) {
      key("attention.scale") = positive("attention_multiplier", 1);
      key("embedding_scale") = positive("embedding_multiplier", 1);
      key("residual_scale") = positive("residual_multiplier", 1);
      key("logit_scale") = positive("logits_scaling", 1);
    }
    result_.tied_embeddings =
        config_.boolean("tie_word_embeddings")
            .value_or(
                outer_.boolean("tie_word_embeddings").value_or(wrapper_tied_.value_or(type_.tied)));
    if (type_.is_lfm2()) {  // whose own word for it wins
      result_.tied_embeddings = config_.boolean("tie_embedding").value_or(result_.tied_embeddings);
    }
    const char* const bias = type_.experts == ExpertKeys::qwen2 ? "qkv_bias" : "attention_bias";
    result_.attention_bias =
        type_.name == "qwen2" || config_.boolean(bias).value_or(type_.attention_bias);
    key("attention.bias") = result_.attention_bias;
    result_.mlp_bias = config_.boolean("mlp_bias").value_or(false);
    key("tie_word_embeddings") = result_.tied_embeddings;
  }

  const JsonObject& config_;
  const JsonObject& outer_;
  const ModelType& type_;
  std::optional<bool> wrapper_tied_;
  int64_t head_dimension_ = 0;
  Gemma4FullLayers gemma4_full_;
  std::vector<int64_t> rotated_;  ///< per layer; empty: all are
  TranslatedConfig result_;
};

/// The one form of quantised weights that is read.
bool is_mxfp4_of_gpt_oss(const JsonObject& config) {
  const auto quantization = config.object("quantization_config");
  return config.text("model_type") == "gpt_oss" && quantization &&
         quantization->text("quant_method") == "mxfp4";
}

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
  if (outer.has("quantization_config") && !is_mxfp4_of_gpt_oss(outer)) {
    fail(ErrorCode::unsupported,
         "{}: the weights are quantised (quantization_config); take the original folder with "
         "F32, F16 or BF16 weights, or a GGUF file",
         where);
  }
  // Multimodal models keep the language model's settings inside.
  const Wrapper* wrapper = find_wrapper(outer);
  if (wrapper != nullptr && !outer.has("text_config")) {
    fail(ErrorCode::invalid_file, "{}: a {} model without \"text_config\"", where, wrapper->name);
  }
  nlohmann::json text_config = wrapper != nullptr ? json["text_config"] : nlohmann::json();
  if (wrapper != nullptr && text_config.is_object() && !text_config.contains("model_type")) {
    text_config["model_type"] = wrapper->inner;
  }
  if (wrapper != nullptr) static_cast<void>(outer.object("text_config"));  // an object, or an error
  const JsonObject inner =
      wrapper != nullptr ? JsonObject(text_config, where, "text_config.") : outer;
  TranslatedConfig result = Translator(inner, outer, wrapper).translate();
  const std::string model_type = *inner.text("model_type");
  result.unknown_keys = check_config_keys(inner, model_type);
  if (wrapper != nullptr) {
    for (std::string& name : check_config_keys(outer, model_type)) {
      result.unknown_keys.push_back(std::move(name));
    }
  }

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
