// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/non_numbers.h"
#include "text/hugging_face_pre_tokenizer.h"
#include "text/spaced_text.h"
#include "text/vocabulary.h"

namespace lazyllm::text {
namespace {

using Json = nlohmann::json;

/// Real files nest some ten levels deep. More would be there to exhaust the stack of what
/// walks over the value.
constexpr int kDeepestNesting = 64;

int nesting(const std::string& json) {
  int depth = 0;
  int deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (in_string) {
      if (c == '\\') ++i;
      in_string = c != '"';
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return deepest;
}

Json parse_json(const std::string& text, const std::string& where) {
  if (nesting(text) > kDeepestNesting) {
    fail(ErrorCode::invalid_file, "{}: nested more than {} levels deep; the file is damaged", where,
         kDeepestNesting);
  }
  Json json = Json::parse(quote_non_numbers(text), nullptr, false);
  if (!json.is_object()) {
    fail(ErrorCode::invalid_file, "{}: not a JSON object; the file is damaged or incomplete",
         where);
  }
  return json;
}

const Json& member(const Json& object, const char* name) {
  static const Json null;
  const auto position = object.find(name);
  return position == object.end() ? null : *position;
}

/// A string or null, as optional entries of these files are.
std::string text_or_empty(const Json& json) {
  return json.is_string() ? json.get<std::string>() : std::string();
}

class Reader {
 public:
  explicit Reader(const std::string& where) : where_(where) {}

  Vocabulary read(const Json& tokenizer, const Json& config) {
    const Json& model = tokenizer.at("model");
    const std::string type = model.value("type", "BPE");
    if (type != "BPE") {
      fail(ErrorCode::unsupported,
           "{}: tokenizers of the type '{}' are not supported, only 'BPE'; convert the model to "
           "GGUF "
           "instead",
           where_, type);
    }
    read_splitting(tokenizer, config);
    read_model(model);
    read_added_tokens(member(tokenizer, "added_tokens"));
    read_added_tokens_of_config(config);
    result_.unknown = find(text_or_empty(member(model, "unk_token")));
    if (result_.unknown != kNoToken) set_type(result_.unknown, TokenType::unknown);
    read_template(member(tokenizer, "post_processor"));
    read_config(config);
    return std::move(result_);
  }

 private:
  void read_splitting(const Json& tokenizer, const Json& config) {
    HuggingFaceSplitting splitting = recognise_splitting(
        member(tokenizer, "normalizer"), member(tokenizer, "pre_tokenizer"), where_);
    if (splitting.byte_level == splitting.marks_spaces) {
      fail(
          ErrorCode::unsupported,
          "{}: a BPE tokenizer must be byte-level or mark spaces with U+2581; convert the model to "
          "GGUF instead",
          where_);
    }
    result_.kind = Vocabulary::Kind::bpe;
    result_.pre = splitting.pre;
    result_.own_splits = std::move(splitting.own_splits);
    result_.byte_level = splitting.byte_level;
    result_.add_space_prefix = splitting.add_space_prefix;
    result_.prefix_at_start_only = splitting.prefix_at_start_only;
    result_.prefix_unless_space = splitting.prefix_unless_space;
    result_.byte_level_prefix = splitting.byte_level_prefix;
    result_.normalizer = std::move(splitting.normalizer);
    obey_llama_class(config);
  }

  /// transformers' own class for Llama cuts by Metaspace, whatever the normalizer says, unless it
  /// is told to behave as it once did.
  void obey_llama_class(const Json& config) {
    const std::string name = text_or_empty(member(config, "tokenizer_class"));
    if (result_.byte_level || (name != "LlamaTokenizer" && name != "LlamaTokenizerFast")) return;
    const Json& adds = member(config, "add_prefix_space");
    if (adds.is_boolean()) result_.add_space_prefix = adds.get<bool>();
    const Json& legacy = member(config, "legacy");
    result_.prefix_at_start_only = !(legacy.is_boolean() && legacy.get<bool>());
    result_.prefix_unless_space = true;
  }

  void read_model(const Json& model) {
    for (const char* name : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      if (text_or_empty(member(model, name)).empty()) continue;
      fail(ErrorCode::unsupported, "{}: tokenizers with a {} are not supported", where_, name);
    }
    const auto flag = [&model](const char* name) {
      const Json& value = member(model, name);
      return value.is_boolean() && value.get<bool>();
    };
    result_.ignore_merges = flag("ignore_merges");
    result_.byte_fallback = flag("byte_fallback");
    result_.fuse_unknown = flag("fuse_unk");
    const Json& vocabulary = model.at("vocab");
    if (!vocabulary.is_object() || vocabulary.empty()) {
      fail(ErrorCode::invalid_file, "{}: the entry model.vocab must be an object with the tokens",
           where_);
    }
    most_tokens_ = 2 * vocabulary.size() + (size_t{1} << 16);
    for (const auto& [token, id] : vocabulary.items()) put(token, id, TokenType::normal);
    if (result_.byte_fallback && !result_.byte_level) {
      for (size_t i = 0; i < result_.tokens.size(); ++i) {
        if (byte_of_token(result_.tokens[i]) >= 0) result_.types[i] = TokenType::byte;
      }
    }
    for (const Json& merge : model.at("merges")) result_.merges.push_back(merge_line(merge));
  }

  std::string merge_line(const Json& merge) const {
    if (merge.is_string()) return merge.get<std::string>();
    const std::string left = merge.at(0);
    const std::string right = merge.at(1);
    if (left.find(' ') != std::string::npos || right.find(' ') != std::string::npos) {
      fail(ErrorCode::unsupported, "{}: merges of tokens with spaces are not supported", where_);
    }
    return left + ' ' + right;
  }

  void put(const std::string& token, const Json& id, TokenType type) {
    const bool is_id =
        id.is_number_integer() && id.get<int64_t>() >= 0 && id.get<uint64_t>() < most_tokens_;
    if (!is_id) {
      fail(ErrorCode::invalid_file, "{}: the token '{}' has the impossible id {}", where_, token,
           id.dump());
    }
    const auto index = id.get<size_t>();
    if (index >= result_.tokens.size()) {
      result_.tokens.resize(index + 1);
      result_.types.resize(index + 1, TokenType::unused);
    }
    result_.tokens[index] = token;
    result_.types[index] = type;
    ids_[token] = static_cast<TokenId>(index);
  }

  void set_type(TokenId token, TokenType type) { result_.types[static_cast<size_t>(token)] = type; }

  void read_added_tokens(const Json& tokens) {
    if (tokens.is_null()) return;
    for (const Json& token : tokens) add_token(token.at("content"), token.at("id"), token);
  }

  /// tokenizer_config.json may name more of them than tokenizer.json.
  void read_added_tokens_of_config(const Json& config) {
    const Json& tokens = member(config, "added_tokens_decoder");
    if (!tokens.is_object()) return;
    for (const auto& [id, token] : tokens.items()) {
      const std::string content = token.at("content");
      if (added_.contains(content)) continue;
      const Json number = Json::parse(id, nullptr, false);
      if (const TokenId known = find(content); known != kNoToken && number != known) {
        fail(ErrorCode::invalid_file,
             "{} (tokenizer_config.json): added_tokens_decoder gives the token '{}' the id {}, but "
             "it is {}; the files are of different models",
             where_, content, id, known);
      }
      add_token(content, number, token);
    }
  }

  void add_token(const std::string& content, const Json& id, const Json& flags) {
    const bool special = flags.value("special", false);
    put(content, id, special ? TokenType::control : TokenType::user_defined);
    added_.insert(content);
    const auto token = id.get<TokenId>();
    if (flags.value("lstrip", false)) result_.strip_left.push_back(token);
    if (flags.value("rstrip", false)) result_.strip_right.push_back(token);
    if (flags.value("single_word", false)) result_.single_words.push_back(token);
    if (flags.value("normalized", !special)) result_.normalized.push_back(token);
  }

  TokenId find(const std::string& token) const {
    const auto position = ids_.find(token);
    return position == ids_.end() ? kNoToken : position->second;
  }

  /// The special tokens before and after the text of a TemplateProcessing.
  void read_template(const Json& processor) {
    if (!processor.is_object()) return;
    const std::string type = processor.at("type");
    if (type == "Sequence") {
      for (const Json& each : processor.at("processors")) read_template(each);
    }
    if (type != "TemplateProcessing") return;
    bool after_text = false;
    for (const Json& item : processor.at("single")) {
      if (item.contains("Sequence")) after_text = true;
      if (!item.contains("SpecialToken")) continue;
      const TokenId token = find(item.at("SpecialToken").at("id"));
      if (token == kNoToken) continue;
      (after_text ? result_.eos : result_.bos) = token;
      (after_text ? result_.add_eos : result_.add_bos) = true;
    }
  }

  /// The id of a token that tokenizer_config.json names, as a string or as an object.
  TokenId named_token(const Json& config, const char* name) const {
    const Json& entry = member(config, name);
    return find(text_or_empty(entry.is_object() ? member(entry, "content") : entry));
  }

  void read_config(const Json& config) {
    const auto take = [&](const char* name, TokenId& token) {
      if (const TokenId named = named_token(config, name); named != kNoToken) token = named;
    };
    take("bos_token", result_.bos);
    take("eos_token", result_.eos);
    take("pad_token", result_.padding);
    take("sep_token", result_.separator);
    take("unk_token", result_.unknown);
    const auto obey = [&](const char* name, bool& flag) {
      if (const Json& entry = member(config, name); entry.is_boolean()) flag = entry.get<bool>();
    };
    obey("add_bos_token", result_.add_bos);
    obey("add_eos_token", result_.add_eos);
  }

  const std::string& where_;
  Vocabulary result_;
  std::unordered_map<std::string, TokenId> ids_;
  std::unordered_set<std::string> added_;  ///< contents of the added tokens
  size_t most_tokens_ = 0;                 ///< a bound on ids, against absurd memory
};

}  // namespace

Vocabulary parse_hugging_face_tokenizer(const std::string& tokenizer_json,
                                        const std::string& tokenizer_config_json,
                                        const std::string& where) {
  const Json tokenizer = parse_json(tokenizer_json, where);
  const Json config = tokenizer_config_json.empty()
                          ? Json::object()
                          : parse_json(tokenizer_config_json, where + " (tokenizer_config.json)");
  try {
    return Reader(where).read(tokenizer, config);
  } catch (const Json::exception& error) {
    fail(ErrorCode::invalid_file, "{}: not a tokenizer as Hugging Face writes them: {}", where,
         error.what());
  }
}

}  // namespace lazyllm::text
