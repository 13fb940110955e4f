// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "text/tokenizer.h"

namespace lazyllm::text {

/// Just enough of a GGUF reader to test tokenizers without src/formats: files that are
/// known to be good, vocabulary keys only.
class GgufVocabularyForTests {
 public:
  static Vocabulary read(const std::string& path) {
    GgufVocabularyForTests reader(path);
    return reader.vocabulary();
  }

 private:
  struct Value {
    double number = 0;
    std::string text;
    std::vector<std::string> texts;
    std::vector<double> numbers;
  };

  explicit GgufVocabularyForTests(const std::string& path) : file_(path, std::ios::binary) {
    if (take<uint32_t>() != 0x46554747) throw std::runtime_error(path + ": not a GGUF file");
    take<uint32_t>();  // version
    take<uint64_t>();  // tensors
    const auto count = take<uint64_t>();
    for (uint64_t i = 0; i < count; ++i) {
      const std::string key = take_string();
      values_[key] = take_value(take<uint32_t>());
    }
  }

  template <typename T>
  T take() {
    T value;
    if (!file_.read(reinterpret_cast<char*>(&value), sizeof value)) {
      throw std::runtime_error("GGUF file ends early");
    }
    return value;
  }

  std::string take_string() {
    std::string text(take<uint64_t>(), '\0');
    file_.read(text.data(), static_cast<std::streamsize>(text.size()));
    return text;
  }

  double take_number(uint32_t type) {
    switch (type) {
      case 0:
        return take<uint8_t>();
      case 1:
        return take<int8_t>();
      case 2:
        return take<uint16_t>();
      case 3:
        return take<int16_t>();
      case 4:
        return take<uint32_t>();
      case 5:
        return take<int32_t>();
      case 6:
        return static_cast<double>(take<float>());
      case 7:
        return take<uint8_t>();
      case 10:
        return static_cast<double>(take<uint64_t>());
      case 11:
        return static_cast<double>(take<int64_t>());
      case 12:
        return take<double>();
      default:
        throw std::runtime_error("GGUF value of unknown type");
    }
  }

  Value take_value(uint32_t type) {
    Value value;
    if (type == 8) {
      value.text = take_string();
    } else if (type == 9) {
      const auto element = take<uint32_t>();
      const auto count = take<uint64_t>();
      for (uint64_t i = 0; i < count; ++i) {
        if (element == 8) {
          value.texts.push_back(take_string());
        } else {
          value.numbers.push_back(take_number(element));
        }
      }
    } else {
      value.number = take_number(type);
    }
    return value;
  }

  double number(const std::string& key, double otherwise) const {
    const auto value = values_.find("tokenizer.ggml." + key);
    return value == values_.end() ? otherwise : value->second.number;
  }

  Vocabulary vocabulary() {
    Vocabulary v;
    const std::string model = values_["tokenizer.ggml.model"].text;
    const std::string pre = values_["tokenizer.ggml.pre"].text;
    const bool is_spm = model == "llama";
    v.kind = is_spm ? Vocabulary::Kind::spm : Vocabulary::Kind::bpe;
    if (!pre.empty()) v.pre = pre;
    if (model == "gemma4") v.pre = "gemma4";
    v.add_space_prefix = is_spm;
    v.add_bos = is_spm;
    if (!is_spm) apply_pre_tokenizer_defaults(v);
    v.tokens = values_["tokenizer.ggml.tokens"].texts;
    for (const double x : values_["tokenizer.ggml.scores"].numbers) {
      v.scores.push_back(static_cast<float>(x));
    }
    for (const double x : values_["tokenizer.ggml.token_type"].numbers) {
      v.types.push_back(static_cast<TokenType>(static_cast<int>(x)));
    }
    v.merges = values_["tokenizer.ggml.merges"].texts;
    v.bos = static_cast<TokenId>(number("bos_token_id", is_spm ? 1 : kNoToken));
    v.eos = static_cast<TokenId>(number("eos_token_id", is_spm ? 2 : kNoToken));
    v.unknown = static_cast<TokenId>(number("unknown_token_id", is_spm ? 0 : kNoToken));
    v.add_bos = number("add_bos_token", v.add_bos ? 1 : 0) != 0;
    v.add_eos = number("add_eos_token", 0) != 0;
    v.add_space_prefix = number("add_space_prefix", v.add_space_prefix ? 1 : 0) != 0;
    return v;
  }

  std::ifstream file_;
  std::map<std::string, Value> values_;
};

}  // namespace lazyllm::text
