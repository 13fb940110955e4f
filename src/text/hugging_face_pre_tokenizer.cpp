// SPDX-License-Identifier: Apache-2.0
#include "text/hugging_face_pre_tokenizer.h"

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "text/regex_splitter.h"
#include "text/spaced_text.h"

namespace lazyllm::text {
namespace {

using Json = nlohmann::json;

/// The regular expressions of model files, in the spelling that normal_form() gives
/// them, and the stage that does the same.
constexpr std::pair<std::string_view, std::string_view> kExpressions[] = {
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S))", "gpt2-words"},
    {R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", "gpt2-words"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "llama3-words"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen2-words"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
     "qwen2-words"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "qwen35-words"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}+| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "minicpm5-words"},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}\r\n]+|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "seed-coder-words"},
    {R"([^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "uncontracted-words"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "tekken-words"},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "gpt4o-words"},
    {R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     "deepseek3-words"},
    {R"(\p{N}{1,3})", "number-triples"},
    {R"(\p{N})", "single-numbers"},
    {R"(\p{N}+)", "number-runs"},
    {R"(\d{1,3}(?=(?:\d{3})*\b))", "number-triples-from-right"},
    {R"([0-9][0-9][0-9])", "ascii-digit-triples"},
    {R"([\r\n])", "single-newlines"},
    {R"([^\n]+|[\n]+)", "newline-runs"},
    {R"(\s?\p{L}+)", "spaced-letters"},
    {R"(\s?\p{P}+)", "spaced-punctuation"},
    {R"(\s?[!-/:-~！-／：-～‘-‟　-。]+)", "deepseek-punctuation"},
    {R"(\s+$)", "trailing-space"},
    {R"([一-龥ࠀ-一가-퟿]+)", "deepseek-cjk"},
    {R"([一-龥぀-ゟ゠-ヿ]+)", "deepseek3-cjk"},
    {R"( ?[^(\s|.,!?…。，、।۔،)]+)", "bloom-words"},
};

/// DeepSeek-LLM's list of letters with case is too long to spell out twice.
constexpr std::string_view kDeepseekAlphabetsBegin = R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ)";

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

/// One spelling for what means the same: contractions, possessive quantifiers (they
/// change nothing here, since what follows never needs characters back), raw newlines.
std::string normal_form(std::string expression) {
  replace_all(expression, "\r", R"(\r)");
  replace_all(expression, "\n", R"(\n)");
  replace_all(expression, "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])",
              "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
  replace_all(expression, "'(?i:[sdmt]|ll|ve|re)", "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
  replace_all(expression, "'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])",
              "(?i:'s|'t|'re|'ve|'m|'ll|'d)");
  replace_all(expression, R"([^\r\n\p{L}\p{N}]?+)", R"([^\r\n\p{L}\p{N}]?)");
  replace_all(expression, "]++", "]+");
  replace_all(expression, "{1}", "");
  return expression;
}

class Recogniser {
 public:
  explicit Recogniser(const std::string& where) : where_(where) {}

  void normalizer(const Json& entry) {
    if (entry.is_null()) return;
    const std::string type = entry.at("type");
    if (type == "Sequence") {
      for (const Json& each : entry.at("normalizers")) normalizer(each);
    } else if (type == "Prepend" && entry.at("prepend") == kSpaceMark) {
      result_.add_space_prefix = true;
    } else if (type == "Replace" && pattern_text(entry) == " " &&
               entry.at("content") == kSpaceMark) {
      result_.marks_spaces = true;
    } else {
      normalizer_step(type, entry);
    }
  }

  void pre_tokenizer(const Json& entry) {
    if (entry.is_null()) return;
    const std::string type = entry.at("type");
    if (type == "Sequence") {
      for (const Json& each : entry.at("pretokenizers")) pre_tokenizer(each);
    } else if (type == "ByteLevel") {
      byte_level(entry);
    } else if (type == "Metaspace") {
      metaspace(entry);
    } else if (type == "Digits") {
      add_stage(entry.value("individual_digits", false) ? "single-numbers" : "number-runs");
    } else if (type == "Punctuation" && entry.value("behavior", "") == "Contiguous") {
      add_stage("punctuation-runs");
    } else if (type == "Punctuation") {
      own_split({R"([\p{P}!-\/:-@\[-`\{-~])", behavior_of(entry), false}, entry);
    } else if (type == "Whitespace") {
      own_split({R"(\w+|[^\w\s]+)", OwnSplit::Behavior::removed, true}, entry);
    } else if (type == "WhitespaceSplit") {
      own_split({R"(\s)", OwnSplit::Behavior::removed, false}, entry);
    } else if (type == "CharDelimiterSplit") {
      own_split({literal(entry.at("delimiter")), OwnSplit::Behavior::removed, false}, entry);
    } else if (type == "Split") {
      split(entry);
    } else {
      unsupported("pre-tokenizer", entry);
    }
  }

  HuggingFaceSplitting finish() {
    if (result_.pre.empty()) result_.pre = "whole";
    return result_;
  }

 private:
  [[noreturn]] void unsupported(const char* what, const Json& entry) const {
    std::string text = entry.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (text.size() > 600) text = text.substr(0, 600) + "...";
    fail(ErrorCode::unsupported, "{}: this {} is not supported: {}", where_, what, text);
  }

  void normalizer_step(const std::string& type, const Json& entry) {
    using Kind = NormalizerStep::Kind;
    constexpr std::pair<std::string_view, Kind> kKinds[] = {
        {"NFC", Kind::nfc},         {"NFD", Kind::nfd},
        {"NFKC", Kind::nfkc},       {"NFKD", Kind::nfkd},
        {"Strip", Kind::strip},     {"Lowercase", Kind::lowercase},
        {"Replace", Kind::replace}, {"StripAccents", Kind::strip_accents},
        {"Prepend", Kind::prepend}};
    const auto known = std::find_if(std::begin(kKinds), std::end(kKinds),
                                    [&](const auto& pair) { return pair.first == type; });
    if (known == std::end(kKinds)) unsupported("normalizer", entry);
    NormalizerStep step;
    step.kind = known->second;
    if (step.kind == Kind::strip) {
      step.left = entry.value("strip_left", true);
      step.right = entry.value("strip_right", true);
    } else if (step.kind == Kind::replace) {
      step.pattern = pattern_text(entry);
      step.content = entry.at("content");
      if (step.pattern.empty()) unsupported("normalizer", entry);
    } else if (step.kind == Kind::prepend) {
      step.content = entry.at("prepend");
    }
    // Spaces are marked after all steps. One that would meet their marks, or makes some, cannot
    // come behind.
    const bool meets = step.kind == Kind::strip || step.kind == Kind::prepend ||
                       mentions_space(step.pattern) || mentions_space(step.content);
    const bool marked = result_.add_space_prefix || result_.marks_spaces;
    if ((meets && marked) || step.content.find(kSpaceMark) != std::string::npos) {
      unsupported("normalizer", entry);
    }
    result_.normalizer.push_back(std::move(step));
  }

  static bool mentions_space(std::string_view text) {
    return text.find(' ') != std::string_view::npos ||
           text.find(kSpaceMark) != std::string_view::npos;
  }

  static std::string pattern_text(const Json& entry) {
    const Json& pattern = entry.at("pattern");
    return pattern.contains("String") ? pattern.at("String").get<std::string>() : std::string();
  }

  void add_stage(std::string_view name) {
    if (!result_.pre.empty()) result_.pre += '|';
    result_.pre += name;
  }

  void byte_level(const Json& entry) {
    result_.byte_level = true;
    result_.byte_level_prefix = result_.byte_level_prefix || entry.value("add_prefix_space", true);
    if (entry.value("use_regex", true)) add_stage("gpt2-words");
  }

  void metaspace(const Json& entry) {
    if (entry.at("replacement") != kSpaceMark) unsupported("pre-tokenizer", entry);
    const bool adds = entry.value("add_prefix_space", true);
    const std::string scheme = entry.value("prepend_scheme", adds ? "always" : "never");
    result_.marks_spaces = true;
    result_.add_space_prefix = scheme != "never";
    result_.prefix_unless_space = true;
    result_.prefix_at_start_only = scheme == "first";
    if (entry.value("split", true)) add_stage("before-spaces");
  }

  void split(const Json& entry) {
    // Gemma asks for cuts at spaces after its normalizer has replaced them all.
    if (pattern_text(entry) == " " && result_.marks_spaces) return;
    const Json& pattern = entry.at("pattern");
    const std::string behavior = entry.at("behavior");
    const bool invert = entry.value("invert", false);
    if (!pattern.contains("Regex")) {
      return own_split({literal(pattern.at("String")), behavior_of(entry), invert}, entry);
    }
    const std::string given = pattern.at("Regex");
    const std::string expression = normal_form(given);
    std::string_view stage;
    if (expression.starts_with(kDeepseekAlphabetsBegin)) stage = "deepseek-alphabets";
    for (const auto& [known, name] : kExpressions) {
      if (expression == known) stage = name;
    }
    // "Removed" the inverse of expressions that match everything keeps all, as "Isolated" does.
    const bool keeps = (behavior == "Isolated" && !invert) || (behavior == "Removed" && invert);
    if (!stage.empty() && keeps) return add_stage(stage);
    own_split({given, behavior_of(entry), invert}, entry);
  }

  OwnSplit::Behavior behavior_of(const Json& entry) const {
    using Behavior = OwnSplit::Behavior;
    constexpr std::pair<std::string_view, Behavior> kBehaviors[] = {
        {"Isolated", Behavior::isolated},
        {"Removed", Behavior::removed},
        {"MergedWithPrevious", Behavior::merged_with_previous},
        {"MergedWithNext", Behavior::merged_with_next},
        {"Contiguous", Behavior::contiguous}};
    const std::string name = entry.value("behavior", "Isolated");
    for (const auto& [known, behavior] : kBehaviors) {
      if (known == name) return behavior;
    }
    unsupported("pre-tokenizer", entry);
  }

  static std::string literal(const std::string& text) {
    std::string expression;
    for (const char c : text) {
      if (std::string_view(R"(\^$.|?*+()[]{}-&~#/)").find(c) != std::string_view::npos) {
        expression += '\\';
      }
      expression += c;
    }
    return expression;
  }

  /// ByteLevel writes other letters than the text's, Metaspace other spaces: behind them an
  /// expression would see something else.
  void own_split(OwnSplit split, const Json& entry) {
    if (result_.byte_level || result_.marks_spaces || split.expression.empty()) {
      unsupported("pre-tokenizer", entry);
    }
    try {
      RegexSplitter{split};  // an error now, with its reason
    } catch (const Error& error) {
      fail(error.code(), "{}: {}", where_, error.what());
    }
    add_stage(fmt::format("own-{}", result_.own_splits.size()));
    result_.own_splits.push_back(std::move(split));
  }

  const std::string& where_;
  HuggingFaceSplitting result_;
};

}  // namespace

HuggingFaceSplitting recognise_splitting(const nlohmann::json& normalizer,
                                         const nlohmann::json& pre_tokenizer,
                                         const std::string& where) {
  Recogniser recogniser(where);
  recogniser.normalizer(normalizer);
  recogniser.pre_tokenizer(pre_tokenizer);
  return recogniser.finish();
}

}  // namespace lazyllm::text
