// SPDX-License-Identifier: Apache-2.0
#include "server/embeddings_endpoints.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <boost/archive/iterators/base64_from_binary.hpp>
#include <boost/archive/iterators/transform_width.hpp>
#include <chrono>
#include <cmath>

#include "server/completion_endpoints.h"
#include "server/ollama_protocol.h"
#include "server/prompt_reading.h"
#include "server/prompt_request.h"

namespace lazyllm::server {
namespace {

constexpr size_t kMostInputs = 2048;  // OpenAI's

struct Embeddings {
  std::vector<std::vector<float>> vectors;
  int64_t tokens = 0;  ///< of all inputs
};

/// What is done to a vector once it is computed.
struct VectorForm {
  int64_t dimensions = 0;  ///< 0: all
  bool normalised = true;  ///< to length 1
};

Pooling pooling_of(const ModelService& service) {
  if (service.pooling != Pooling::none) return service.pooling;
  const std::string& own = service.info.pooling;
  if (own.empty() || own == "mean") return Pooling::mean;
  if (own == "last") return Pooling::last;
  throw RequestError(501, "not_supported_error", "unsupported_model",
                     fmt::format("the model's embeddings are made by pooling \"{}\"; here are mean "
                                 "and last: start the server with --pooling",
                                 own));
}

std::vector<float> in_form(std::vector<float> vector, const VectorForm& form) {
  if (form.dimensions > 0) vector.resize(static_cast<size_t>(form.dimensions));
  if (!form.normalised) return vector;
  double squares = 0.0;
  for (const float x : vector) squares += static_cast<double>(x) * static_cast<double>(x);
  const double factor = squares > 0.0 ? 1.0 / std::sqrt(squares) : 0.0;
  for (float& x : vector) x = static_cast<float>(static_cast<double>(x) * factor);
  return vector;
}

Embeddings embed(ModelService& service, const Exchange& exchange,
                 const std::vector<Prompt>& prompts, const VectorForm& form) {
  Embeddings result;
  const Pooling pooling = service.embeds_tokens ? Pooling::none : pooling_of(service);
  for (const Prompt& prompt : prompts) {
    result.tokens += std::ssize(prompt.tokens);
    std::vector<float> vector =
        prompt_embedding(*service.scheduler, prompt.tokens, pooling, service.embeds_tokens,
                         [&] { return exchange.peer.gone(); });
    result.vectors.push_back(in_form(std::move(vector), form));
  }
  return result;
}

VectorForm parse_form(const ModelService& service, const Fields& body) {
  VectorForm form;
  form.dimensions = body.integer("dimensions", 1, service.info.hidden_size).value_or(0);
  // llama-server's number: -1 none, 2 by Euclid.
  if (const auto norm = body.integer("embd_normalize", -1, 1000)) {
    if (*norm != -1 && *norm != 2) {
      throw invalid_request("embd_normalize", "embd_normalize must be 2 (length 1) or -1 (none)");
    }
    form.normalised = *norm == 2;
  }
  return form;
}

/// One vector a text, which only llama-server's own path does without.
void require_pooling(const ModelService& service) {
  if (!service.embeds_tokens) return;
  throw invalid_request("input",
                        "the server gives an embedding of each token (--pooling none); POST "
                        "/embeddings has them");
}

/// The vectors of a text's tokens, as they are.
Json by_token(const ModelService& service, const std::vector<float>& vectors) {
  Json list = Json::array();
  const auto size = service.info.hidden_size;
  for (auto begin = vectors.begin(); begin != vectors.end(); begin += size) {
    list.push_back(std::vector<float>(begin, begin + size));
  }
  return list;
}

/// Floats as base64, lowest byte first.
std::string base64(const std::vector<float>& vector) {
  using namespace boost::archive::iterators;
  using Iterator = base64_from_binary<transform_width<std::string::const_iterator, 6, 8>>;
  std::string bytes;
  for (const float x : vector) {
    const auto bits = std::bit_cast<uint32_t>(x);
    for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(bits >> shift & 255);
  }
  std::string text(Iterator(bytes.cbegin()), Iterator(bytes.cend()));
  return text.append((3 - bytes.size() % 3) % 3, '=');
}

Fields checked(const ModelService& service, Exchange& exchange, const Json& json) {
  const Fields body(json);
  check_model_name(body, service.name, service.strict_model);
  check_names(exchange, body, RequestKind::embeddings);
  return body;
}

void answer_openai(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body = checked(service, exchange, json);
  require_pooling(service);
  const std::string encoding = body.text("encoding_format").value_or("float");
  if (encoding != "float" && encoding != "base64") {
    throw invalid_request("encoding_format", "encoding_format must be \"float\" or \"base64\"");
  }
  const Embeddings found =
      embed(service, exchange, parse_prompts(service, body, "input", kMostInputs),
            parse_form(service, body));
  Json data = Json::array();
  for (const std::vector<float>& vector : found.vectors) {
    data.push_back({{"object", "embedding"},
                    {"index", data.size()},
                    {"embedding", encoding == "float" ? Json(vector) : Json(base64(vector))}});
  }
  respond(exchange, {{"object", "list"},
                     {"data", std::move(data)},
                     {"model", service.name},
                     {"usage", {{"prompt_tokens", found.tokens}, {"total_tokens", found.tokens}}}});
}

void answer_native(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  const Fields body = checked(service, exchange, json);
  const char* const name = body.find("content") != nullptr ? "content" : "input";
  const bool each = service.embeds_tokens;
  const VectorForm form = parse_form(service, body);
  if (each && form.dimensions > 0) {
    throw invalid_request("dimensions", "dimensions is for one vector a text (--pooling)");
  }
  const Embeddings found = embed(service, exchange, parse_prompts(service, body, name, kMostInputs),
                                 each ? VectorForm{.normalised = false} : form);
  Json list = Json::array();
  for (const std::vector<float>& vector : found.vectors) {
    list.push_back({{"index", list.size()},
                    {"embedding", each ? by_token(service, vector) : Json::array({vector})}});
  }
  respond(exchange, list);
}

int64_t nanoseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now() - start).count();
}

/// Of `options` only num_ctx could matter; the others choose words or machines.
void check_ollama_names(const Json& json) {
  constexpr std::array<std::string_view, 7> kKnown = {
      "model", "input", "prompt", "truncate", "dimensions", "options", "keep_alive"};
  for (const auto& [name, value] : json.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end())
      throw invalid_request(name, name + " is unknown for embeddings", "unknown_parameter");
  }
}

/// ollama cuts what does not fit, unless it is asked not to.
std::vector<Prompt> ollama_inputs(const ModelService& service, const Fields& body) {
  const Json& input = body.require("input");
  const Json list = input.is_array() ? input : Json::array({input});
  if (list.size() > kMostInputs) {
    throw invalid_request(
        "input", fmt::format("there are {} inputs; give at most {}", list.size(), kMostInputs));
  }
  const bool cut = body.boolean("truncate").value_or(true);
  int64_t context = service.scheduler->options().context;
  if (const auto options = body.object("options")) {
    context = std::min(context, options->integer("num_ctx", 1, INT32_MAX).value_or(context));
  }
  const auto room = static_cast<size_t>(context);
  std::vector<Prompt> prompts;
  for (const Json& one : list) {
    Prompt prompt;
    prompt.tokens = service.model->tokenize(to_text(one, "input"), /*add_special=*/true,
                                            /*parse_special=*/false);
    if (cut && prompt.tokens.size() > room) prompt.tokens.resize(room);
    check_prompt(service, prompt.tokens, "input");
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

void answer_ollama(ModelService& service, Exchange& exchange) {
  const auto start = std::chrono::steady_clock::now();
  const Json json = parse_body(exchange.body);
  check_ollama_names(json);
  const Fields body(json);
  check_model_name(body, service.name, service.strict_model);
  require_pooling(service);
  const Embeddings found =
      embed(service, exchange, ollama_inputs(service, body),
            {body.integer("dimensions", 1, service.info.hidden_size).value_or(0)});
  respond(exchange, {{"model", service.name},
                     {"embeddings", found.vectors},
                     {"total_duration", nanoseconds_since(start)},
                     {"load_duration", 0},
                     {"prompt_eval_count", found.tokens}});
}

/// The older path: one text, the vector as it is.
void answer_old_ollama(ModelService& service, Exchange& exchange) {
  const Json json = parse_body(exchange.body);
  check_ollama_names(json);
  const Fields body(json);
  check_model_name(body, service.name, service.strict_model);
  require_pooling(service);
  const Embeddings found =
      embed(service, exchange, parse_prompts(service, body, "prompt", 1), {.normalised = false});
  respond(exchange, {{"embedding", found.vectors.front()}});
}

}  // namespace

std::span<const Endpoint> embeddings_endpoints() {
  static constexpr auto kEndpoints = std::to_array<Endpoint>({
      {"POST", "/v1/embeddings", answer_openai},
      {"POST", "/embeddings", answer_native},
      {"POST", "/embedding", answer_native},
      {"POST", "/api/embed", answer_ollama, ollama_error},
      {"POST", "/api/embeddings", answer_old_ollama, ollama_error},
  });
  return kEndpoints;
}

}  // namespace lazyllm::server
