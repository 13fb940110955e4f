// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_rope.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/quote.h"

namespace lazyllm::formats {
namespace {

constexpr double kGemmaLocalTheta = 10000.0;

double require_positive(const JsonObject& object, std::string_view key, std::string_view type) {
  const auto value = object.real(key);
  if (!value || !(*value > 0) || !std::isfinite(*value)) {
    fail(ErrorCode::invalid_file, "{}: rope scaling of type {} needs a positive {}", object.where(),
         quote(type), object.name(key));
  }
  return *value;
}

std::string scaling_type(const JsonObject& scaling) {
  const auto type = scaling.text("rope_type");  // older files say "type"
  const std::string name = type ? *type : scaling.text("type").value_or("default");
  return name == "su" ? "longrope" : name;  // the first Phi 3 files
}

/// DeepSeek's spelling: the quotient of two magnitudes. Other settings have one alone, which
/// transformers leaves out of account.
void translate_yarn_magnitude(const JsonObject& scaling, double factor, const std::string& prefix,
                              Metadata& metadata) {
  if (scaling.has("attention_factor")) return;
  const double above = scaling.real("mscale").value_or(0.0);
  const double below = scaling.real("mscale_all_dim").value_or(0.0);
  if (above == 0.0 || below == 0.0) return;
  const double logarithm = std::log(std::max(factor, 1.0));
  const double magnitude = (0.1 * above * logarithm + 1.0) / (0.1 * below * logarithm + 1.0);
  if (!(magnitude > 0) || !std::isfinite(magnitude)) {
    fail(ErrorCode::invalid_file, "{}: {} and {} make no sense together", scaling.where(),
         scaling.name("mscale"), scaling.name("mscale_all_dim"));
  }
  metadata[prefix + "attention_factor"] = magnitude;
}

std::vector<double> positive_list(const JsonObject& object, std::string_view key) {
  std::vector<double> values;
  const auto found = object.raw().find(key);
  if (found != object.raw().end() && found->is_array()) {
    for (const auto& item : *found) values.push_back(item.is_number() ? item.get<double>() : 0.0);
  }
  const auto is_positive = [](double value) { return value > 0 && std::isfinite(value); };
  if (values.empty() || !std::all_of(values.begin(), values.end(), is_positive)) {
    fail(ErrorCode::invalid_file,
         "{}: rope scaling of type \"longrope\" needs {}, a list of "
         "positive numbers",
         object.where(), object.name(key));
  }
  return values;
}

/// The context of the training before its extension: outside, inside, or all there is.
std::optional<int64_t> original_context(const JsonObject& scaling, const JsonObject& config) {
  constexpr std::string_view kOriginal = "original_max_position_embeddings";
  if (const auto outside = config.integer(kOriginal, 1, kLongestContext)) return outside;
  if (const auto inside = scaling.integer(kOriginal, 1, kLongestContext)) return inside;
  return config.integer("max_position_embeddings", 1, kLongestContext);
}

/// By how much the context was extended, where the file does not say it.
double extension(const JsonObject& config, int64_t original) {
  const auto longest = config.integer("max_position_embeddings", 1, kLongestContext);
  return static_cast<double>(longest.value_or(original)) / static_cast<double>(original);
}

/// transformers takes the short divisors up to the original context and the long ones for every
/// token of a longer sequence, so that one more token would change all keys. lazyllm runs such a
/// model up to its original context.
void translate_longrope(const JsonObject& scaling, const JsonObject& config, int64_t original,
                        const std::string& prefix, Metadata& metadata) {
  const double factor = scaling.has("factor") ? require_positive(scaling, "factor", "longrope")
                                              : extension(config, original);
  double magnitude = 1.0;
  if (scaling.has("attention_factor")) {
    magnitude = require_positive(scaling, "attention_factor", "longrope");
  } else if (factor > 1.0 && original > 1) {
    magnitude = std::sqrt(1.0 + std::log(factor) / std::log(static_cast<double>(original)));
  }
  metadata[prefix + "type"] = std::string("longrope");
  metadata[prefix + "attention_factor"] = magnitude;
  metadata[prefix + "original_context_length"] = original;
  metadata[prefix + "short_factors"] = positive_list(scaling, "short_factor");
}

void translate_yarn(const JsonObject& scaling, const std::string& prefix, Metadata& metadata) {
  for (const char* key : {"beta_fast", "beta_slow"}) {
    if (scaling.real(key).value_or(0.0) == 0.0) continue;  // zero stands for the default, too
    metadata[prefix + "yarn_" + key] = require_positive(scaling, key, "yarn");
  }
  if (scaling.has("attention_factor")) {
    metadata[prefix + "attention_factor"] = require_positive(scaling, "attention_factor", "yarn");
  }
  translate_yarn_magnitude(scaling, std::get<double>(metadata.at(prefix + "factor")), prefix,
                           metadata);
  metadata[prefix + "yarn_truncate"] = scaling.boolean("truncate").value_or(true);
}

void translate_scaling(const JsonObject& scaling, const JsonObject& config,
                       const std::string& prefix, Metadata& metadata) {
  const std::string type = scaling_type(scaling);
  if (type == "default") return;
  const bool extends = type == "llama3" || type == "yarn" || type == "longrope";
  if (!extends && type != "linear" && type != "dynamic") {
    fail(ErrorCode::unsupported,
         "{}: rope scaling type {} is not supported; default, linear, dynamic, llama3, longrope "
         "and yarn are",
         scaling.where(), quote(type));
  }
  const auto original = original_context(scaling, config);
  if (extends && !original) {
    fail(ErrorCode::invalid_file, "{}: rope scaling of type {} needs {}", scaling.where(),
         quote(type), scaling.name("original_max_position_embeddings"));
  }
  if (type == "longrope") return translate_longrope(scaling, config, *original, prefix, metadata);
  metadata[prefix + "type"] = type;
  metadata[prefix + "factor"] = type == "yarn" && !scaling.has("factor")
                                    ? extension(config, *original)
                                    : require_positive(scaling, "factor", type);
  if (extends) metadata[prefix + "original_context_length"] = *original;
  if (type == "llama3") {
    for (const char* key : {"low_freq_factor", "high_freq_factor"}) {
      metadata[prefix + key] = require_positive(scaling, key, type);
    }
  }
  if (type == "yarn") translate_yarn(scaling, prefix, metadata);
}

double theta_of(const JsonObject& object, std::string_view key, double fallback) {
  const auto theta = object.real(key);
  if (!theta) return fallback;
  return require_positive(object, key, "default");
}

/// Sliding layers (gemma3) have a base of their own and no scaling.
void translate_sliding(const JsonObject& parameters, const std::string& architecture,
                       Metadata& metadata) {
  if (scaling_type(parameters) != "default") {
    fail(ErrorCode::unsupported,
         "{}: {} of sliding-window layers is not supported, they must be of type \"default\"",
         parameters.where(), parameters.name("rope_type"));
  }
  metadata[architecture + ".rope.freq_base_swa"] =
      theta_of(parameters, "rope_theta", kGemmaLocalTheta);
}

/// Gemma 4: full layers rotate a share of their heads, with the frequencies of the whole head.
void translate_gemma4_rope(const JsonObject& config, int64_t head_dimension, Metadata& metadata) {
  static const nlohmann::json kFull = {
      {"rope_type", "proportional"}, {"partial_rotary_factor", 0.25}, {"rope_theta", 1e6}};
  static const nlohmann::json kSliding = {{"rope_type", "default"}, {"rope_theta", 1e4}};
  const auto parameters = config.object("rope_parameters");
  std::optional<JsonObject> full, sliding;
  if (parameters) {
    full = parameters->object("full_attention");
    sliding = parameters->object("sliding_attention");
  }
  if (parameters && (!full || !sliding)) {
    fail(ErrorCode::unsupported, "{}: {} must hold full_attention and sliding_attention",
         config.where(), config.name("rope_parameters"));
  }
  if (!parameters) {
    full.emplace(kFull, config.where());
    sliding.emplace(kSliding, config.where());
  }
  translate_sliding(*sliding, "gemma4", metadata);
  const std::string type = scaling_type(*full);
  if (type != "proportional" && type != "default") {
    fail(ErrorCode::unsupported,
         "{}: {} of full layers is {}; proportional and default are supported", full->where(),
         full->name("rope_type"), quote(type));
  }
  const double share = type == "default" ? 1.0 : full->real("partial_rotary_factor").value_or(1.0);
  const double factor = full->real("factor").value_or(1.0);
  if (!(share > 0.0 && share <= 1.0) || factor != 1.0) {
    fail(ErrorCode::unsupported,
         "{}: {} is {} and factor {}; a share above 0 up to 1 and no factor are supported",
         full->where(), full->name("partial_rotary_factor"), share, factor);
  }
  metadata["gemma4.rope.freq_base"] = theta_of(*full, "rope_theta", 1e6);
  metadata["gemma4.rope.dimension_count"] = head_dimension;
  metadata["gemma4.rope.proportion"] = share;
}

/// What a model type assumes where a config has neither rope_scaling nor rope_parameters.
const nlohmann::json* default_parameters(const std::string& architecture) {
  static const nlohmann::json kGptOss = {
      {"rope_type", "yarn"}, {"factor", 32.0},    {"beta_fast", 32.0},
      {"beta_slow", 1.0},    {"truncate", false}, {"original_max_position_embeddings", 4096}};
  static const nlohmann::json kMinistral3 = {{"rope_type", "yarn"},
                                             {"rope_theta", 1e6},
                                             {"factor", 16.0},
                                             {"beta_fast", 32.0},
                                             {"beta_slow", 1.0},
                                             {"mscale", 1.0},
                                             {"mscale_all_dim", 1.0},
                                             {"llama_4_scaling_beta", 0.1},
                                             {"original_max_position_embeddings", 16384}};
  if (architecture == "gpt-oss") return &kGptOss;
  return architecture == "mistral3" ? &kMinistral3 : nullptr;
}

/// Queries that grow with their position (Ministral 3).
void translate_temperature(const JsonObject& parameters, const std::string& architecture,
                           Metadata& metadata) {
  const auto beta = parameters.real("llama_4_scaling_beta");
  const auto length = parameters.integer("original_max_position_embeddings", 1, kLongestContext);
  if (!beta || !length) {
    fail(ErrorCode::invalid_file, "{}: {} and {} are missing; fetch the folder's config.json again",
         parameters.where(), parameters.name("llama_4_scaling_beta"),
         parameters.name("original_max_position_embeddings"));
  }
  metadata[architecture + ".attention.temperature_scale"] = *beta;
  metadata[architecture + ".attention.temperature_length"] = *length;
}

}  // namespace

void translate_rope(const JsonObject& config, const std::string& architecture, double default_theta,
                    int64_t head_dimension, Metadata& metadata) {
  if (architecture == "gemma4") return translate_gemma4_rope(config, head_dimension, metadata);
  const std::string scaling_prefix = architecture + ".rope.scaling.";
  double theta = theta_of(config, "rope_theta", default_theta);
  double rotated =
      config.real("partial_rotary_factor").value_or(architecture == "glm4" ? 0.5 : 1.0);
  if (architecture == "gemma3") {
    metadata[architecture + ".rope.freq_base_swa"] =
        theta_of(config, "rope_local_base_freq", kGemmaLocalTheta);
  }

  // Both names may hold base and rotated part too, with or without a scaling. The older one goes
  // first, unless it is empty.
  const auto scaling = config.object("rope_scaling");
  const char* const name = scaling && !scaling->raw().empty() ? "rope_scaling" : "rope_parameters";
  auto parameters = config.object(name);
  if (const nlohmann::json* assumed = default_parameters(architecture);
      assumed != nullptr && (!parameters || parameters->raw().empty())) {
    parameters.emplace(*assumed, config.where());
  }
  if (parameters) {
    JsonObject full = *parameters;
    if (const auto per_type = parameters->object("full_attention")) full = *per_type;
    if (const auto sliding = parameters->object("sliding_attention")) {
      if (architecture == "gemma3") translate_sliding(*sliding, architecture, metadata);
    }
    theta = theta_of(full, "rope_theta", theta);
    rotated = full.real("partial_rotary_factor").value_or(rotated);
    translate_scaling(full, config, scaling_prefix, metadata);
    if (architecture == "mistral3") translate_temperature(full, architecture, metadata);
  }

  const double rotated_values = static_cast<double>(head_dimension) * rotated;
  if (!(rotated_values >= 2 && rotated <= 1)) {
    fail(ErrorCode::invalid_file,
         "{}: partial_rotary_factor is {}: of {} values per head, 2 to all must be rotated",
         config.where(), rotated, head_dimension);
  }
  metadata[architecture + ".rope.freq_base"] = theta;
  metadata[architecture + ".rope.dimension_count"] = static_cast<int64_t>(rotated_values);
}

}  // namespace lazyllm::formats
