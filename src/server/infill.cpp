// SPDX-License-Identifier: Apache-2.0
#include "server/infill.h"

#include <fmt/format.h>

#include <array>
#include <optional>
#include <string_view>

#include "server/native_completion.h"

namespace lazyllm::server {
namespace {

// As the families spell them, by what stands between them.
constexpr std::array<std::string_view, 6> kPrefix = {
    "<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>",
    "<PRE>",          "\u2581<PRE>",  "<\uff5cfim\u2581begin\uff5c>"};
constexpr std::array<std::string_view, 6> kSuffix = {
    "<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>",
    "<SUF>",          "\u2581<SUF>",  "<\uff5cfim\u2581hole\uff5c>"};
constexpr std::array<std::string_view, 6> kMiddle = {
    "<|fim_middle|>", "<fim-middle>", "<fim_middle>",
    "<MID>",          "\u2581<MID>",  "<\uff5cfim\u2581end\uff5c>"};
constexpr std::array<std::string_view, 4> kRepository = {"<|repo_name|>", "<fim-repo>", "<REPO>",
                                                         "<reponame>"};
constexpr std::array<std::string_view, 2> kFile = {"<|file_sep|>", "<file_sep>"};

std::optional<TokenId> find_token(const Model& model, std::span<const std::string_view> spellings) {
  for (const std::string_view spelling : spellings) {
    const auto tokens = model.tokenize(spelling, /*add_special=*/false, /*parse_special=*/true);
    if (tokens.size() == 1 && model.piece(tokens[0], /*special=*/true) == spelling)
      return tokens[0];
  }
  return std::nullopt;
}

void append(std::vector<TokenId>& tokens, const Model& model, const std::string& text) {
  const auto more = model.tokenize(text, /*add_special=*/false, /*parse_special=*/false);
  tokens.insert(tokens.end(), more.begin(), more.end());
}

/// Other files, ahead of the one that is written.
std::vector<TokenId> files_before(const Model& model, const Fields& body) {
  std::vector<TokenId> tokens;
  const Json* files = body.array("input_extra");
  if (files == nullptr || files->empty()) return tokens;
  const auto repository = find_token(model, kRepository);
  const auto separator = find_token(model, kFile);
  const bool marked = repository && separator;
  if (marked) {
    tokens.push_back(*repository);
    append(tokens, model, "myproject\n");  // as the models' authors write it
  }
  for (size_t i = 0; i < files->size(); ++i) {
    const Fields file((*files)[i], fmt::format("input_extra[{}]", i));
    const std::string& text = to_text(file.require("text"), file.path_of("text"));
    const std::string name = file.text("filename").value_or("tmp");
    if (!marked) {
      append(tokens, model, text + "\n");
      continue;
    }
    tokens.push_back(*separator);
    append(tokens, model, name + "\n" + text + "\n");
  }
  if (marked) {
    tokens.push_back(*separator);
    append(tokens, model, "filename\n");
  }
  return tokens;
}

}  // namespace

std::vector<TokenId> prompt_between(const ModelService& service, const std::vector<TokenId>& before,
                                    const std::string& prefix, const std::string& suffix) {
  const Model& model = *service.model;
  const auto first = find_token(model, kPrefix), second = find_token(model, kSuffix),
             third = find_token(model, kMiddle);
  if (!first || !second || !third) {
    throw RequestError(501, "not_supported_error", "unsupported",
                       "this model has no tokens for filling in between two texts; use a model "
                       "that has, such as Qwen2.5-Coder",
                       "suffix");
  }
  // What the vocabulary puts before every prompt.
  std::vector<TokenId> tokens = model.tokenize("", /*add_special=*/true, /*parse_special=*/false);
  tokens.insert(tokens.end(), before.begin(), before.end());
  tokens.push_back(*first);
  append(tokens, model, prefix);
  tokens.push_back(*second);
  append(tokens, model, suffix);
  tokens.push_back(*third);
  return tokens;
}

void answer_infill(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body(json);
  body.require("input_prefix");
  body.require("input_suffix");
  AnswerJob job = native_job(service, exchange, body, RequestKind::infill);
  Prompt prompt;
  prompt.tokens = prompt_between(service, files_before(*service.model, body),
                                 body.text("input_prefix").value_or(""),
                                 body.text("input_suffix").value_or(""));
  append(prompt.tokens, *service.model, body.text("prompt").value_or(""));
  check_prompt(service, prompt.tokens);
  job.prompts.push_back(std::move(prompt));
  answer(service, exchange, std::move(job));
}

}  // namespace lazyllm::server
