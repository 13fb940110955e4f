// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_reader.h"

#include "formats/hugging_face_names.h"
#include "formats/test_files.h"

namespace lazyllm::formats {
namespace {

const char* const kConfig =
    R"({"model_type":"llama","hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,
        "num_attention_heads":2,"max_position_embeddings":16,"vocab_size":2,
        "tie_word_embeddings":true})";

/// A safetensors file with these tensors, each 2x4 in BF16.
std::string weights(const std::vector<std::string>& names, const std::string& dtype = "BF16") {
  std::string header = "{";
  size_t offset = 0;
  for (const std::string& name : names) {
    header += offset == 0 ? "\"" : ",\"";
    header += name;
    header += R"(":{"dtype":")" + dtype + R"(","shape":[2,4],"data_offsets":[)";
    header += std::to_string(offset) + "," + std::to_string(offset + 16) + "]}";
    offset += 16;
  }
  return ByteBuilder().string(header + "}").raw(std::string(offset, '\2')).text();
}

void expect_refused(const std::filesystem::path& path, const std::vector<std::string>& words,
                    ErrorCode code = ErrorCode::invalid_file) {
  expect_error(code, words, [&] { open_model_file(path); });
}

TEST(HuggingFaceNames, Translation) {
  const auto name = [](const char* theirs, const char* architecture) {
    return translate_tensor_name(theirs, architecture).name;
  };
  EXPECT_EQ(name("model.embed_tokens.weight", "llama"), "token_embd.weight");
  EXPECT_EQ(name("model.norm.weight", "llama"), "output_norm.weight");
  EXPECT_EQ(name("lm_head.weight", "qwen2"), "output.weight");
  EXPECT_EQ(name("model.layers.12.self_attn.q_proj.bias", "qwen2"), "blk.12.attn_q.bias");
  EXPECT_EQ(name("model.layers.0.self_attn.k_norm.weight", "qwen3"), "blk.0.attn_k_norm.weight");
  EXPECT_EQ(name("model.layers.0.post_attention_layernorm.weight", "llama"),
            "blk.0.ffn_norm.weight");
  EXPECT_EQ(name("model.layers.0.post_attention_layernorm.weight", "gemma3"),
            "blk.0.post_attention_norm.weight");
  EXPECT_EQ(name("language_model.model.layers.0.pre_feedforward_layernorm.weight", "gemma3"),
            "blk.0.ffn_norm.weight");
  EXPECT_EQ(name("model.language_model.layers.0.post_feedforward_layernorm.weight", "gemma3"),
            "blk.0.post_ffw_norm.weight");
  const auto use = [](const char* theirs, const char* architecture) {
    return translate_tensor_name(theirs, architecture).use;
  };
  EXPECT_EQ(use("model.layers.0.self_attn.rotary_emb.inv_freq", "llama"), TensorUse::ignored);
  EXPECT_EQ(use("vision_tower.vision_model.head.weight", "gemma3"), TensorUse::other_modality);
  for (const char* unknown :
       {"", ".", "weight", "model.layers.weight", "model.layers.0.weight",
        "model.layers.00.input_layernorm.weight", "model.layers.-1.input_layernorm.weight",
        "model.layers.99999999999999999999.input_layernorm.weight", "vision_tower.a.weight",
        "model.layers.0.self_attn.q_proj.qweight",
        "model.layers.0.self_attn.q_proj.lora_A.weight"}) {
    EXPECT_EQ(use(unknown, "llama"), TensorUse::unknown) << unknown;
  }
}

TEST(HuggingFaceReader, OpensOneFileAndItsFolder) {
  const TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("tokenizer.json", "{}");
  const auto path = folder.write("model.safetensors",
                                 weights({"model.embed_tokens.weight", "model.norm.weight",
                                          "lm_head.weight", "model.layers.0.mlp.up_proj.weight"}));
  for (const auto& named : {folder.path(), path}) {
    const auto file = open_model_file(named);
    EXPECT_EQ(file->container(), Container::hugging_face);
    EXPECT_EQ(file->tensors().size(), 3u);  // tied: no output matrix
    EXPECT_EQ(file->tensor("blk.0.ffn_up.weight").shape, (std::vector<int64_t>{2, 4}));
    EXPECT_EQ(file->tensor("token_embd.weight").type, StorageType::bf16);
    EXPECT_EQ(file->tokenizer_json(), "{}");
    EXPECT_EQ(file->tokenizer_config_json(), "");
    EXPECT_EQ(file->text("general.name"), folder.path().filename().string());
  }
}

TEST(HuggingFaceReader, ATiedModelMayCallItsMatrixByEitherName) {
  const TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model.safetensors", weights({"lm_head.weight"}));
  EXPECT_NE(open_model_file(folder.path())->find_tensor("token_embd.weight"), nullptr);
}

TEST(HuggingFaceReader, OpensShards) {
  const TemporaryFolder folder;
  folder.write("config.json", kConfig);
  folder.write("model-00001-of-00002.safetensors", weights({"model.embed_tokens.weight"}));
  folder.write("model-00002-of-00002.safetensors", weights({"model.norm.weight"}));
  const auto write_index = [&](const std::string& second) {
    folder.write("model.safetensors.index.json",
                 R"({"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors",
                     "model.norm.weight":")" +
                     second + "\"}}");
  };
  write_index("model-00002-of-00002.safetensors");
  EXPECT_EQ(open_model_file(folder.path())->tensors().size(), 2u);
  write_index("model-00003-of-00002.safetensors");
  expect_refused(folder.path(), {"model-00003-of-00002.safetensors is missing"}, ErrorCode::io);
  write_index("model-00001-of-00002.safetensors");
  expect_refused(folder.path(), {"\"model.norm.weight\" is not in"});
  for (const char* outside : {"../model.safetensors", "/etc/passwd", "", "config.json"}) {
    write_index(outside);
    expect_refused(folder.path(), {"not a file of this folder"});
  }
  folder.write("model-00002-of-00002.safetensors", weights({"model.embed_tokens.weight"}));
  write_index("model-00002-of-00002.safetensors");
  expect_refused(folder.path(), {"\"token_embd.weight\" is there twice"});
}

TEST(HuggingFaceReader, RefusesIncompleteFolders) {
  const TemporaryFolder folder;
  expect_refused(folder.path(), {"no config.json"});
  folder.write("a.gguf", "GGUF");
  expect_refused(folder.path(), {"GGUF files", "a.gguf"});
  const auto weight_path = folder.write("model.safetensors", weights({"model.norm.weight"}));
  expect_refused(weight_path, {"needs the config.json"});
  std::filesystem::remove(weight_path);
  folder.write("config.json", kConfig);
  expect_refused(folder.path(), {"no model.safetensors"});
  folder.write("pytorch_model.bin", "PK");
  expect_refused(folder.path(), {"PyTorch"}, ErrorCode::unsupported);
}

TEST(HuggingFaceReader, RefusesWeightsThatDoNotFitTheConfig) {
  const TemporaryFolder folder;
  folder.write("config.json", kConfig);
  const auto refuse = [&](const std::string& content, const std::vector<std::string>& words,
                          ErrorCode code = ErrorCode::invalid_file) {
    folder.write("model.safetensors", content);
    expect_refused(folder.path(), words, code);
  };
  refuse(weights({"model.norm.weight"}), {"\"token_embd.weight\" is missing"});
  refuse(weights({"model.layers.1.mlp.up_proj.weight"}), {"layer 1", "has 1 layers"});
  refuse(weights({"model.layers.0.mlp.experts.0.weight"}), {"belongs to no part"},
         ErrorCode::unsupported);
  refuse(weights({"model.norm.weight"}, "I16"), {"I16", "BF16"}, ErrorCode::unsupported);
  refuse("", {"model.safetensors"});
  std::string untied = kConfig;
  untied.replace(untied.find("true"), 4, "false");
  folder.write("config.json", untied);
  refuse(weights({"model.embed_tokens.weight"}), {"\"output.weight\" is missing"});
  untied.insert(1, R"("attention_bias":true,)");
  folder.write("config.json", untied);
  refuse(weights({"model.embed_tokens.weight", "lm_head.weight"}), {"blk.0.attn_q.bias"});
}

TEST(HuggingFaceReader, OpensARealFolder) {
  const std::filesystem::path path = LAZYLLM_SOURCE_DIR "/../shared/data/models/TinyStories-656K";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = open_model_file(path);
  EXPECT_EQ(file->tensors().size(), 20u);
  EXPECT_EQ(file->integer("llama.block_count", 1, 100), 2);
  EXPECT_EQ(file->tensor("token_embd.weight").shape, (std::vector<int64_t>{2048, 128}));
  EXPECT_FALSE(file->tokenizer_json().empty());
}

TEST(OpenModelFile, SaysWhatAFileIs) {
  const TemporaryFolder folder;
  expect_refused("", {"no model"}, ErrorCode::usage);
  expect_refused(folder.path() / "absent.gguf", {"does not exist"}, ErrorCode::io);
  expect_refused(folder.write("a.gguf", ""), {"empty"});
  expect_refused(folder.write("b.gguf", "version https://git-lfs.github.com/spec/v1"), {"git lfs"});
  expect_refused(folder.write("c.gguf", "<!DOCTYPE html>"), {"web page"});
  expect_refused(folder.write("d.bin", "lmgg\1"), {"older than GGUF"});
  expect_refused(folder.write("e.bin", "PK\3\4"), {"PyTorch"});
  expect_refused(folder.write("f.bin", "\x1b[2Jhello"), {"\"\\x1b[2Jhell\"", "GGUF"});
  expect_refused(folder.write("g.gguf", "GGUF"), {"truncated"});
}

}  // namespace
}  // namespace lazyllm::formats
