// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

using nlohmann::json;

json llama() {
  return json::parse(R"({"model_type":"llama","hidden_size":64,"intermediate_size":128,
    "num_hidden_layers":4,"num_attention_heads":8,"num_key_value_heads":2,
    "max_position_embeddings":2048,"vocab_size":100,"rms_norm_eps":1e-5,"rope_theta":500000.0,
    "hidden_act":"silu","tie_word_embeddings":false})");
}

json with(json config, const char* changes) {
  config.merge_patch(json::parse(changes));
  return config;
}

TranslatedConfig translate(const json& config) {
  return translate_config({config.dump(), "", "", ""}, "m");
}

void expect_refused(const json& config, const std::vector<std::string>& words,
                    ErrorCode code = ErrorCode::invalid_file) {
  expect_error(code, words, [&] { translate(config); });
}

MetadataValue value(const TranslatedConfig& config, const std::string& key) {
  const auto found = config.metadata.find(key);
  return found == config.metadata.end() ? MetadataValue(std::string("absent")) : found->second;
}

const MetadataValue kAbsent = std::string("absent");
using Integers = std::vector<int64_t>;

TEST(HuggingFaceConfig, Llama) {
  const auto config = translate(llama());
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(config.block_count, 4);
  EXPECT_FALSE(config.tied_embeddings);
  const Metadata expected = {{"general.architecture", std::string("llama")},
                             {"llama.attention.bias", false},
                             {"llama.attention.head_count", int64_t{8}},
                             {"llama.attention.head_count_kv", int64_t{2}},
                             {"llama.attention.key_length", int64_t{8}},
                             {"llama.attention.layer_norm_rms_epsilon", 1e-5},
                             {"llama.attention.value_length", int64_t{8}},
                             {"llama.block_count", int64_t{4}},
                             {"llama.context_length", int64_t{2048}},
                             {"llama.embedding_length", int64_t{64}},
                             {"llama.feed_forward_length", int64_t{128}},
                             {"llama.hidden_act", std::string("silu")},
                             {"llama.rope.dimension_count", int64_t{8}},
                             {"llama.rope.freq_base", 500000.0},
                             {"llama.tie_word_embeddings", false},
                             {"llama.vocab_size", int64_t{100}}};
  EXPECT_EQ(config.metadata, expected);
}

TEST(HuggingFaceConfig, Llama3ScalingInBothSpellings) {
  const char* const scaling =
      R"({"rope_type":"llama3","factor":32,"low_freq_factor":1.0,"high_freq_factor":4.0,
          "original_max_position_embeddings":8192,"rope_theta":500000.0})";
  json older = llama();
  older["rope_scaling"] = json::parse(scaling);
  json newer = llama();
  newer.erase("rope_theta");
  newer["rope_parameters"] = json::parse(scaling);
  for (const json& spelling : {older, newer}) {
    const auto config = translate(spelling);
    EXPECT_EQ(value(config, "llama.rope.scaling.type"), MetadataValue(std::string("llama3")));
    EXPECT_EQ(value(config, "llama.rope.scaling.factor"), MetadataValue(32.0));
    EXPECT_EQ(value(config, "llama.rope.scaling.low_freq_factor"), MetadataValue(1.0));
    EXPECT_EQ(value(config, "llama.rope.scaling.high_freq_factor"), MetadataValue(4.0));
    EXPECT_EQ(value(config, "llama.rope.scaling.original_context_length"),
              MetadataValue(int64_t{8192}));
    EXPECT_EQ(value(config, "llama.rope.freq_base"), MetadataValue(500000.0));
  }
  older["rope_scaling"].erase("low_freq_factor");
  expect_refused(older, {"rope_scaling.low_freq_factor", "llama3"});
}

TEST(HuggingFaceConfig, YarnAndUnknownScaling) {
  const auto config = translate(with(
      llama(), R"({"rope_scaling":{"type":"yarn","factor":4.0,"beta_fast":32,"beta_slow":1}})"));
  EXPECT_EQ(value(config, "llama.rope.scaling.type"), MetadataValue(std::string("yarn")));
  EXPECT_EQ(value(config, "llama.rope.scaling.original_context_length"),
            MetadataValue(int64_t{2048}));
  EXPECT_EQ(value(config, "llama.rope.scaling.yarn_beta_fast"), MetadataValue(32.0));
  expect_refused(with(llama(), R"({"rope_scaling":{"type":"odd","factor":2}})"),
                 {"\"odd\"", "llama3"}, ErrorCode::unsupported);
  expect_refused(with(llama(), R"({"rope_scaling":{"type":"linear"}})"), {"rope_scaling.factor"});
}

TEST(HuggingFaceConfig, WhereTheOriginalContextStands) {
  const auto original = [](const char* more) {
    return value(translate(with(llama(), more)), "llama.rope.scaling.original_context_length");
  };
  EXPECT_EQ(original(R"({"rope_scaling":{"type":"yarn","factor":4,
                        "original_max_position_embeddings":512}})"),
            MetadataValue(int64_t{512}));
  EXPECT_EQ(original(R"({"original_max_position_embeddings":256,"rope_scaling":{"type":"yarn",
                        "factor":4,"original_max_position_embeddings":512}})"),
            MetadataValue(int64_t{256}));
  EXPECT_EQ(original(R"({"rope_scaling":{"type":"llama3","factor":4,"low_freq_factor":1,
                        "high_freq_factor":4}})"),
            MetadataValue(int64_t{2048}));
}

TEST(HuggingFaceConfig, YarnInDeepSeeksSpelling) {
  const auto config = translate(with(llama(), R"({"rope_scaling":{"type":"yarn",
      "original_max_position_embeddings":512,"mscale":2.0,"mscale_all_dim":1.0,"beta_fast":0}})"));
  EXPECT_EQ(value(config, "llama.rope.scaling.factor"), MetadataValue(4.0));
  EXPECT_EQ(value(config, "llama.rope.scaling.yarn_beta_fast"), kAbsent);
  const double logarithm = std::log(4.0);
  EXPECT_NEAR(std::get<double>(value(config, "llama.rope.scaling.attention_factor")),
              (0.2 * logarithm + 1) / (0.1 * logarithm + 1), 1e-12);
  EXPECT_EQ(value(config, "llama.rope.scaling.yarn_truncate"), MetadataValue(true));
  EXPECT_EQ(value(translate(with(llama(), R"({"rope_scaling":{"type":"yarn","factor":4,
                                             "truncate":false}})")),
                  "llama.rope.scaling.yarn_truncate"),
            MetadataValue(false));
}

TEST(HuggingFaceConfig, LongropeTakesItsShortFactors) {
  json config = with(llama(), R"({"original_max_position_embeddings":512,"rope_scaling":{
      "type":"su","short_factor":[1,1.5],"long_factor":[4,8]}})");
  const auto translated = translate(config);
  EXPECT_EQ(value(translated, "llama.rope.scaling.type"), MetadataValue(std::string("longrope")));
  EXPECT_EQ(value(translated, "llama.rope.scaling.short_factors"),
            MetadataValue(std::vector<double>{1, 1.5}));
  EXPECT_NEAR(std::get<double>(value(translated, "llama.rope.scaling.attention_factor")),
              std::sqrt(1 + std::log(4.0) / std::log(512.0)), 1e-12);
  for (const char* wrong : {"[]", "[1,-2]", "[1,\"2\"]", "7"}) {
    config["rope_scaling"]["short_factor"] = json::parse(wrong);
    expect_refused(config, {"rope_scaling.short_factor"});
  }
}

TEST(HuggingFaceConfig, TheBaseInsideRopeScaling) {
  json config = with(llama(), R"({"rope_theta":1e4,
      "rope_scaling":{"rope_type":"default","rope_theta":5e5}})");
  EXPECT_EQ(value(translate(config), "llama.rope.freq_base"), MetadataValue(500000.0));
  config["rope_parameters"] = json::parse(R"({"rope_type":"default","rope_theta":7e5})");
  EXPECT_EQ(value(translate(config), "llama.rope.freq_base"), MetadataValue(500000.0));
  config["rope_scaling"] = json::object();
  EXPECT_EQ(value(translate(config), "llama.rope.freq_base"), MetadataValue(700000.0));
}

TEST(HuggingFaceConfig, MixedMistralSlidesWhereLayerTypesSaysSo) {
  const auto config = translate(with(llama(), R"({"model_type":"ministral","sliding_window":64,
      "layer_types":["full_attention","sliding_attention","full_attention","sliding_attention"]})"));
  EXPECT_EQ(value(config, "llama.attention.sliding_window_layers"),
            MetadataValue(Integers{0, 1, 0, 1}));
}

TEST(HuggingFaceConfig, ExpertsInTheirThreeSpellings) {
  json mixtral = with(llama(), R"({"model_type":"mixtral","num_local_experts":8,
      "num_experts_per_tok":2})");
  auto config = translate(mixtral);
  EXPECT_EQ(value(config, "llama.expert_count"), MetadataValue(int64_t{8}));
  EXPECT_EQ(value(config, "llama.expert_used_count"), MetadataValue(int64_t{2}));
  EXPECT_EQ(value(config, "llama.expert_feed_forward_length"),
            value(config, "llama.feed_forward_length"));
  mixtral["num_experts_per_tok"] = 9;
  expect_refused(mixtral, {"num_experts_per_tok", "9"});
  mixtral.erase("num_experts_per_tok");
  expect_refused(mixtral, {"num_experts_per_tok"});

  json qwen = with(llama(), R"({"model_type":"qwen2_moe","num_experts":6,"num_experts_per_tok":2,
      "moe_intermediate_size":40,"shared_expert_intermediate_size":48,"decoder_sparse_step":2})");
  config = translate(qwen);
  EXPECT_EQ(config.architecture, "qwen2moe");
  EXPECT_TRUE(config.attention_bias);
  EXPECT_EQ(value(config, "qwen2moe.expert_feed_forward_length"), MetadataValue(int64_t{40}));
  EXPECT_EQ(value(config, "qwen2moe.expert_shared_feed_forward_length"),
            MetadataValue(int64_t{48}));
  EXPECT_EQ(value(config, "qwen2moe.expert_weights_norm"), MetadataValue(false));
  EXPECT_EQ(value(config, "qwen2moe.expert_layers"), MetadataValue(Integers{0, 1, 0, 1}));
  qwen["model_type"] = "qwen3_moe";
  expect_refused(qwen, {"shared_expert_intermediate_size"}, ErrorCode::unsupported);
  qwen.erase("shared_expert_intermediate_size");
  qwen["mlp_only_layers"] = {1};
  EXPECT_EQ(value(translate(qwen), "qwen3moe.expert_layers"), MetadataValue(Integers{0, 0, 0, 1}));
}

TEST(HuggingFaceConfig, GraniteScalesAndSmolLM3DoesNotRotateEverywhere) {
  const auto granite = translate(with(llama(), R"({"model_type":"granite","embedding_multiplier":12,
      "attention_multiplier":0.015625,"residual_multiplier":0.22,"logits_scaling":8})"));
  EXPECT_EQ(value(granite, "granite.embedding_scale"), MetadataValue(12.0));
  EXPECT_EQ(value(granite, "granite.attention.scale"), MetadataValue(0.015625));
  EXPECT_EQ(value(granite, "granite.residual_scale"), MetadataValue(0.22));
  EXPECT_EQ(value(granite, "granite.logit_scale"), MetadataValue(8.0));
  json smol = with(llama(), R"({"model_type":"smollm3","no_rope_layer_interval":2})");
  EXPECT_EQ(value(translate(smol), "smollm3.rope.layers"), MetadataValue(Integers{1, 0, 1, 0}));
  smol["no_rope_layers"] = {0, 1, 1, 1};
  smol["use_sliding_window"] = true;
  smol["sliding_window"] = 64;
  const auto config = translate(smol);
  EXPECT_EQ(value(config, "smollm3.rope.layers"), MetadataValue(Integers{0, 1, 1, 1}));
  EXPECT_EQ(value(config, "smollm3.attention.sliding_window_layers"),
            MetadataValue(Integers{1, 0, 0, 0}));
}

TEST(HuggingFaceConfig, MistralSlidesInEveryLayerUnlessNull) {
  json mistral = with(llama(), R"({"model_type":"mistral","sliding_window":1024,"head_dim":32})");
  auto config = translate(mistral);
  EXPECT_EQ(config.architecture, "llama");
  EXPECT_EQ(value(config, "llama.attention.key_length"), MetadataValue(int64_t{32}));
  EXPECT_EQ(value(config, "llama.attention.sliding_window"), MetadataValue(int64_t{1024}));
  EXPECT_EQ(value(config, "llama.attention.sliding_window_layers"),
            MetadataValue(Integers{1, 1, 1, 1}));
  mistral["sliding_window"] = nullptr;
  EXPECT_EQ(value(translate(mistral), "llama.attention.sliding_window"), kAbsent);
  mistral.erase("sliding_window");  // the library's default
  EXPECT_EQ(value(translate(mistral), "llama.attention.sliding_window"),
            MetadataValue(int64_t{4096}));
}

TEST(HuggingFaceConfig, QwenSlidesOnlyWhenToldTo) {
  json qwen = with(llama(), R"({"model_type":"qwen2","sliding_window":512,"max_window_layers":3,
                                "use_sliding_window":false})");
  auto config = translate(qwen);
  EXPECT_TRUE(config.attention_bias);
  EXPECT_EQ(value(config, "qwen2.attention.sliding_window"), kAbsent);
  qwen["use_sliding_window"] = true;
  config = translate(qwen);
  EXPECT_EQ(value(config, "qwen2.attention.sliding_window"), MetadataValue(int64_t{512}));
  EXPECT_EQ(value(config, "qwen2.attention.sliding_window_layers"),
            MetadataValue(Integers{0, 0, 0, 1}));
  qwen["layer_types"] = {"sliding_attention", "full_attention", "full_attention", "full_attention"};
  EXPECT_EQ(value(translate(qwen), "qwen2.attention.sliding_window_layers"),
            MetadataValue(Integers{1, 0, 0, 0}));
  qwen["use_sliding_window"] = false;
  expect_refused(qwen, {"layer_types", "sliding_window"});
  qwen["use_sliding_window"] = true;
  qwen["layer_types"][1] = "linear_attention";
  expect_refused(qwen, {"linear_attention"}, ErrorCode::unsupported);
  qwen["layer_types"] = {"full_attention"};
  expect_refused(qwen, {"layer_types names 1 layers", "there are 4"});
}

TEST(HuggingFaceConfig, Qwen3HasHeadsOf128) {
  const auto config = translate(with(llama(), R"({"model_type":"qwen3"})"));
  EXPECT_FALSE(config.attention_bias);
  EXPECT_EQ(value(config, "qwen3.attention.key_length"), MetadataValue(int64_t{128}));
}

TEST(HuggingFaceConfig, MultimodalGemmaLeavesMostToDefaults) {
  const auto config = translate(json::parse(R"({"model_type":"gemma3","eos_token_id":[1,106],
    "text_config":{"model_type":"gemma3_text","hidden_size":2560,"intermediate_size":10240,
    "num_hidden_layers":34,"rope_scaling":{"factor":8.0,"rope_type":"linear"},
    "sliding_window":1024},"vision_config":{}})"));
  EXPECT_TRUE(config.tied_embeddings);
  const auto expect = [&](const char* key, const MetadataValue& wanted) {
    EXPECT_EQ(value(config, std::string("gemma3.") + key), wanted) << key;
  };
  expect("embedding_length", int64_t{2560});
  expect("attention.head_count", int64_t{8});
  expect("attention.head_count_kv", int64_t{4});
  expect("attention.key_length", int64_t{256});
  expect("attention.scale", 0.0625);
  expect("attention.sliding_window", int64_t{1024});
  expect("attention.sliding_window_pattern", int64_t{6});
  expect("rope.freq_base", 1e6);
  expect("rope.freq_base_swa", 1e4);
  expect("rope.scaling.factor", 8.0);
  expect("hidden_act", std::string("gelu_pytorch_tanh"));
  const auto layers = std::get<Integers>(value(config, "gemma3.attention.sliding_window_layers"));
  EXPECT_EQ(Integers(layers.begin(), layers.begin() + 7), (Integers{1, 1, 1, 1, 1, 0, 1}));
  EXPECT_EQ(value(config, "tokenizer.ggml.eos_token_ids"), MetadataValue(Integers{1, 106}));
}

TEST(HuggingFaceConfig, GemmaWithParametersPerLayerType) {
  const auto config = translate(json::parse(R"({"model_type":"gemma3_text","num_hidden_layers":2,
    "layer_types":["sliding_attention","full_attention"],"dtype":"bfloat16",
    "rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,"rope_theta":2e6},
    "sliding_attention":{"rope_type":"default","rope_theta":5000.0}}})"));
  EXPECT_EQ(value(config, "gemma3.rope.freq_base"), MetadataValue(2e6));
  EXPECT_EQ(value(config, "gemma3.rope.freq_base_swa"), MetadataValue(5e3));
  EXPECT_EQ(value(config, "gemma3.rope.scaling.type"), MetadataValue(std::string("linear")));
  EXPECT_EQ(value(config, "gemma3.attention.sliding_window_layers"), MetadataValue(Integers{1, 0}));
}

TEST(HuggingFaceConfig, TokensAndTemplates) {
  const std::string config =
      with(llama(), R"({"eos_token_id":2,"bos_token_id":1,"_name_or_path":"org/model"})").dump();
  auto result = translate_config(
      {config, R"({"eos_token_id":[7,8],"pad_token_id":9})",
       R"({"chat_template":[{"name":"tool","template":"t"},{"name":"default","template":"d"}]})",
       ""},
      "m");
  EXPECT_EQ(value(result, "tokenizer.ggml.eos_token_id"), MetadataValue(int64_t{7}));
  EXPECT_EQ(value(result, "tokenizer.ggml.eos_token_ids"), MetadataValue(Integers{7, 8}));
  EXPECT_EQ(value(result, "tokenizer.ggml.bos_token_id"), MetadataValue(int64_t{1}));
  EXPECT_EQ(value(result, "tokenizer.ggml.padding_token_id"), MetadataValue(int64_t{9}));
  EXPECT_EQ(value(result, "tokenizer.chat_template"), MetadataValue(std::string("d")));
  EXPECT_EQ(value(result, "general.name"), MetadataValue(std::string("org/model")));
  result = translate_config({config, "", R"({"chat_template":"inline"})", "file"}, "m");
  EXPECT_EQ(value(result, "tokenizer.chat_template"), MetadataValue(std::string("file")));
}

json gemma4() {
  return json::parse(R"({"model_type":"gemma4_text","num_hidden_layers":7,"head_dim":8,
    "hidden_size_per_layer_input":0,"num_attention_heads":4,"num_key_value_heads":2})");
}

TEST(HuggingFaceConfig, Gemma4HasHeadsByLayer) {
  const auto expect = [](const json& from, const char* key, const MetadataValue& wanted) {
    EXPECT_EQ(value(translate(from), std::string("gemma4.") + key), wanted) << key;
  };
  // The seventh layer would slide by the rule, but the last one never does.
  expect(gemma4(), "attention.sliding_window_layers", Integers{1, 1, 1, 1, 1, 0, 0});
  expect(gemma4(), "attention.sliding_window", int64_t{512});
  expect(gemma4(), "attention.head_count_kv", Integers{2, 2, 2, 2, 2, 2, 2});
  expect(gemma4(), "attention.key_length", int64_t{512});
  expect(gemma4(), "attention.key_length_swa", int64_t{8});
  expect(gemma4(), "rope.dimension_count", int64_t{512});
  expect(gemma4(), "rope.proportion", 0.25);
  expect(gemma4(), "rope.freq_base", 1e6);
  expect(gemma4(), "rope.freq_base_swa", 1e4);
  const json equal = with(gemma4(), R"({"num_global_key_value_heads":1,"attention_k_eq_v":true})");
  expect(equal, "attention.head_count_kv", Integers{2, 2, 2, 2, 2, 1, 1});
  // Without k_eq_v transformers leaves the number of full layers aside.
  expect(with(gemma4(), R"({"num_global_key_value_heads":1})"), "attention.head_count_kv",
         Integers{2, 2, 2, 2, 2, 2, 2});
  expect(with(gemma4(), R"({"use_bidirectional_attention":"vision"})"), "rope.proportion", 0.25);
  const json by_layer =
      with(gemma4(), R"({"per_layer_config":{"5":{"head_dim":16,"num_key_value_heads":1},
        "6":{"head_dim":16,"num_key_value_heads":1}}})");
  expect(by_layer, "attention.key_length", int64_t{16});
  expect(by_layer, "attention.head_count_kv", Integers{2, 2, 2, 2, 2, 1, 1});
}

TEST(HuggingFaceConfig, TranslatesGemma4E2BAnd26B) {
  const auto expect = [](const json& from, const char* key, const MetadataValue& wanted) {
    EXPECT_EQ(value(translate(from), std::string("gemma4.") + key), wanted) << key;
  };
  json absent = gemma4();
  absent.erase("hidden_size_per_layer_input");  // the library's default is to have them
  expect(absent, "embedding_length_per_layer_input", int64_t{256});
  expect(gemma4(), "embedding_length_per_layer_input", int64_t{0});
  expect(gemma4(), "attention.shared_kv_layers", int64_t{0});
  const json shared = with(
      gemma4(), R"({"num_kv_shared_layers":3,"use_double_wide_mlp":true,"intermediate_size":10})");
  expect(shared, "attention.shared_kv_layers", int64_t{3});
  expect(shared, "feed_forward_length", Integers{10, 10, 10, 10, 20, 20, 20});
  const json experts = with(gemma4(), R"({"enable_moe_block":true,"num_experts":8,
    "top_k_experts":2,"moe_intermediate_size":24})");
  expect(experts, "expert_count", int64_t{8});
  expect(experts, "expert_used_count", int64_t{2});
  expect(experts, "expert_feed_forward_length", int64_t{24});
}

TEST(HuggingFaceConfig, RefusesWhatGemma4HasBesides) {
  const auto refused = [](const char* change, const char* word) {
    expect_refused(with(gemma4(), change), {word}, ErrorCode::unsupported);
  };
  refused(R"({"hidden_size_per_layer_input":256,"vocab_size_per_layer_input":300})",
          "vocab_size_per_layer_input");
  expect_refused(with(gemma4(), R"({"enable_moe_block":true})"), {"num_experts"},
                 ErrorCode::invalid_file);
  refused(R"({"per_layer_config":{"0":{"head_dim":16}}})", "names other layers");
  refused(R"({"per_layer_config":{"5":{"head_dim":16},"6":{"head_dim":32}}})", "differs");
  refused(R"({"use_bidirectional_attention":"all"})", "use_bidirectional_attention");
  json off = gemma4();
  off["sliding_window"] = nullptr;
  expect_refused(off, {"sliding_window"}, ErrorCode::unsupported);
  refused(R"({"rope_parameters":{"sliding_attention":{"rope_type":"default"}}})", "full_attention");
  refused(R"({"rope_parameters":{"sliding_attention":{"rope_type":"default"},
    "full_attention":{"rope_type":"proportional","factor":2.0}}})",
          "factor");
  refused(R"({"rope_parameters":{"sliding_attention":{"rope_type":"default"},
    "full_attention":{"rope_type":"linear","factor":2.0}}})",
          "linear");
}

TEST(HuggingFaceConfig, RefusesWhatItCannotMean) {
  expect_refused(with(llama(), R"({"model_type":"phi9"})"),
                 {"m/config.json", "\"phi9\"", "llama", "qwen3", "gemma3"}, ErrorCode::unsupported);
  expect_refused(with(llama(), R"({"model_type":null})"), {"model_type"});
  expect_refused(with(llama(), R"({"hidden_size":null})"), {"\"hidden_size\" is missing"});
  expect_refused(with(llama(), R"({"hidden_size":"64"})"), {"\"hidden_size\" is not an integer"});
  expect_refused(with(llama(), R"({"num_hidden_layers":1000000000})"), {"num_hidden_layers"});
  expect_refused(with(llama(), R"({"num_attention_heads":0})"), {"num_attention_heads"});
  expect_refused(with(llama(), R"({"num_key_value_heads":3})"), {"8 attention heads", "3"});
  expect_refused(with(llama(), R"({"hidden_size":65})"), {"no multiple of 8 heads"});
  expect_refused(with(llama(), R"({"rms_norm_eps":-1})"), {"rms_norm_eps"});
  expect_refused(with(llama(), R"({"rope_theta":0})"), {"rope_theta"});
  expect_refused(with(llama(), R"({"partial_rotary_factor":0.1})"), {"partial_rotary_factor"});
  expect_refused(with(llama(), R"({"eos_token_id":-1})"), {"eos_token_id"});
  expect_refused(with(llama(), R"({"quantization_config":{"quant_method":"gptq"}})"),
                 {"quantization_config"}, ErrorCode::unsupported);
  expect_refused(json::parse(R"({"model_type":"gemma3"})"), {"text_config"});
  expect_error(ErrorCode::invalid_file, {"m/config.json"}, [] {
    translate_config({"", "", "", ""}, "m");
  });
}

}  // namespace
}  // namespace lazyllm::formats
