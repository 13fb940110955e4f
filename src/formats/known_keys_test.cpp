// SPDX-License-Identifier: Apache-2.0
#include "formats/known_keys.h"

#include <nlohmann/json.hpp>

#include "formats/gguf_writer.h"
#include "formats/hugging_face_config.h"
#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

using nlohmann::json;

json llama() {
  return json::parse(R"({"model_type":"llama","hidden_size":64,"intermediate_size":128,
    "num_hidden_layers":4,"num_attention_heads":8,"max_position_embeddings":2048,
    "vocab_size":100,"torch_dtype":"float32","transformers_version":"5.0"})");
}

TranslatedConfig translate(const json& config) {
  return translate_config({config.dump(), "", "", ""}, "m");
}

TEST(KnownKeys, AnUnknownKeyOfAConfigIsNamed) {
  EXPECT_TRUE(translate(llama()).unknown_keys.empty());
  json config = llama();
  config["invented_gain"] = 2.0;
  EXPECT_EQ(translate(config).unknown_keys, std::vector<std::string>{"\"invented_gain\""});
}

TEST(KnownKeys, WhatWouldChangeTheResultIsRefusedByNameUnlessNeutral) {
  const std::vector<std::pair<const char*, json>> neutral = {{"alibi", false},
                                                             {"attn_logit_softcapping", nullptr},
                                                             {"clip_qkv", nullptr},
                                                             {"embedding_multiplier", 1.0},
                                                             {"final_logit_softcapping", nullptr},
                                                             {"logit_scale", 1},
                                                             {"logits_scaling", 1.0},
                                                             {"no_rope_layers", json::array()},
                                                             {"num_experts", 0},
                                                             {"num_local_experts", nullptr},
                                                             {"qkv_bias", false},
                                                             {"residual_multiplier", 1.0},
                                                             {"rope_interleaved", false},
                                                             {"use_bidirectional_attention", false},
                                                             {"use_mrope", false}};
  for (const auto& [key, value] : neutral) {
    json config = llama();
    config[key] = value;
    EXPECT_TRUE(translate(config).unknown_keys.empty()) << key;
    for (const json& other : {json(3.5), json(std::vector<int>{1, 0})}) {
      config[key] = other;
      expect_error(ErrorCode::unsupported, {"m/config.json", key}, [&] { translate(config); });
    }
  }
}

TEST(KnownKeys, InsideRopeScaling) {
  json config = llama();
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"twist", 1}};
  EXPECT_EQ(translate(config).unknown_keys, std::vector<std::string>{"\"rope_scaling.twist\""});
  config["rope_scaling"]["mrope_section"] = {8, 8, 8};
  expect_error(ErrorCode::unsupported, {"rope_scaling.mrope_section"}, [&] { translate(config); });
}

TEST(KnownKeys, SlidingLayersOfALlamaAndMissingMlpBiasesAreNotPassedOver) {
  json config = llama();
  config["layer_types"] = {"full_attention", "sliding_attention", "full_attention",
                           "full_attention"};
  expect_error(ErrorCode::unsupported, {"layer_types"}, [&] { translate(config); });
  config = llama();
  config["mlp_bias"] = true;
  EXPECT_TRUE(translate(config).mlp_bias);
}

Metadata gguf(const char* key, MetadataValue value) {
  return {{"general.architecture", std::string("llama")},
          {"llama.block_count", int64_t{2}},
          {std::string("llama.") + key, std::move(value)},
          {"tokenizer.ggml.anything", int64_t{1}}};
}

TEST(KnownKeys, OfGguf) {
  EXPECT_TRUE(check_gguf_keys(gguf("rope.freq_base", 1e4), "llama", "f").empty());
  EXPECT_EQ(check_gguf_keys(gguf("invented", 1e4), "llama", "f"),
            std::vector<std::string>{"\"llama.invented\""});
  const std::vector<std::pair<const char*, MetadataValue>> refused = {
      {"attention.causal", false},
      {"attention.clamp_kqv", 8.0},
      {"attn_logit_softcapping", 50.0},
      {"embedding_scale", 12.0},
      {"expert_gating_func", int64_t{2}},
      {"final_logit_softcapping", 30.0},
      {"logit_scale", 0.25},
      {"residual_scale", 0.2},
      {"rope.freq_base_swa", 1e4},
      {"rope.scaling.yarn_ext_factor", 0.5},
      {"use_parallel_residual", true}};
  for (const auto& [key, value] : refused) {
    expect_error(ErrorCode::unsupported, {"f", key},
                 [&] { check_gguf_keys(gguf(key, value), "llama", "f"); });
  }
  EXPECT_TRUE(check_gguf_keys(gguf("attention.causal", true), "llama", "f").empty());
  Metadata dense = {{"qwen2.expert_count", int64_t{8}}};
  expect_error(ErrorCode::unsupported, {"qwen2.expert_count"},
               [&] { check_gguf_keys(dense, "qwen2", "f"); });
  dense["qwen2.expert_count"] = int64_t{0};
  EXPECT_TRUE(check_gguf_keys(dense, "qwen2", "f").empty());
}

TEST(KnownKeys, OneLineOnOpening) {
  const TemporaryFolder folder;
  const std::vector<float> one = {1.0f};
  GgufWriter writer;
  for (auto& [key, value] : gguf("invented", 2.0)) writer.set(key, value);
  writer.add_tensor("t", {1}, one);
  writer.write(folder.path() / "m.gguf");
  const auto file = open_model_file(folder.path() / "m.gguf");
  ASSERT_EQ(file->warnings().size(), 1u);
  EXPECT_THAT(file->warnings()[0], testing::HasSubstr("\"llama.invented\""));
}

TEST(KnownKeys, BytesOfGgufStayBytes) {
  GgufWriter writer;
  writer.set("u", std::vector<uint8_t>{1, 255});
  writer.set("i", std::vector<int8_t>{-1, 7});
  const TemporaryFolder folder;
  writer.write(folder.path() / "m.gguf");
  const auto file = open_model_file(folder.path() / "m.gguf");
  EXPECT_TRUE(std::holds_alternative<std::vector<uint8_t>>(file->metadata().at("u")));
  EXPECT_TRUE(std::holds_alternative<std::vector<int8_t>>(file->metadata().at("i")));
  EXPECT_EQ(file->integers("u"), (std::vector<int64_t>{1, 255}));
  EXPECT_EQ(file->reals("i"), (std::vector<double>{-1.0, 7.0}));
}

}  // namespace
}  // namespace lazyllm::formats
