// SPDX-License-Identifier: Apache-2.0
#include "formats/hugging_face_rope.h"

#include <cmath>

#include "base/error.h"
#include "formats/quote.h"

namespace lazyllm::formats {
namespace {

constexpr int64_t kLongestContext = int64_t{1} << 30;
constexpr double kGemmaLocalTheta = 10000.0;

double require_positive(const JsonObject& object, std::string_view key, std::string_view type) {
  const auto value = object.real(key);
  if (!value || !(*value > 0) || !std::isfinite(*value)) {
    fail(ErrorCode::invalid_file, "{}: rope scaling of type {} needs a positive {}", object.where(),
         quote(type), object.name(key));
  }
  return *value;
}

void copy_positive(const JsonObject& object, std::string_view key, const std::string& as,
                   Metadata& metadata, std::string_view type) {
  if (object.has(key)) metadata[as] = require_positive(object, key, type);
}

std::string scaling_type(const JsonObject& scaling) {
  const auto type = scaling.text("rope_type");  // older files say "type"
  return type ? *type : scaling.text("type").value_or("default");
}

void translate_scaling(const JsonObject& scaling, const JsonObject& config,
                       const std::string& prefix, Metadata& metadata) {
  const std::string type = scaling_type(scaling);
  if (type == "default") return;
  if (type != "linear" && type != "llama3" && type != "yarn") {
    fail(ErrorCode::unsupported,
         "{}: rope scaling type {} is not supported; default, linear, llama3 and yarn are",
         scaling.where(), quote(type));
  }
  metadata[prefix + "type"] = type;
  metadata[prefix + "factor"] = require_positive(scaling, "factor", type);
  auto original = scaling.integer("original_max_position_embeddings", 1, kLongestContext);
  if (type == "llama3") {
    for (const char* key : {"low_freq_factor", "high_freq_factor"}) {
      metadata[prefix + key] = require_positive(scaling, key, type);
    }
    if (!original) {
      fail(ErrorCode::invalid_file, "{}: rope scaling of type \"llama3\" needs {}", scaling.where(),
           scaling.name("original_max_position_embeddings"));
    }
  }
  if (type == "yarn") {
    // transformers' meaning of an absent value.
    if (!original) original = config.integer("max_position_embeddings", 1, kLongestContext);
    copy_positive(scaling, "beta_fast", prefix + "yarn_beta_fast", metadata, type);
    copy_positive(scaling, "beta_slow", prefix + "yarn_beta_slow", metadata, type);
    copy_positive(scaling, "attention_factor", prefix + "attention_factor", metadata, type);
    if (!scaling.boolean("truncate").value_or(true) || scaling.has("mscale_all_dim")) {
      fail(ErrorCode::unsupported,
           "{}: this model uses a variant of yarn rope scaling (truncate or mscale_all_dim) that "
           "lazyllm does not know",
           scaling.where());
    }
  }
  if (original) metadata[prefix + "original_context_length"] = *original;
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

}  // namespace

void translate_rope(const JsonObject& config, const std::string& architecture, double default_theta,
                    int64_t head_dimension, Metadata& metadata) {
  const std::string scaling_prefix = architecture + ".rope.scaling.";
  double theta = theta_of(config, "rope_theta", default_theta);
  double rotated = config.real("partial_rotary_factor").value_or(1.0);
  if (architecture == "gemma3") {
    metadata[architecture + ".rope.freq_base_swa"] =
        theta_of(config, "rope_local_base_freq", kGemmaLocalTheta);
  }

  if (const auto parameters = config.object("rope_parameters")) {
    JsonObject full = *parameters;
    if (const auto per_type = parameters->object("full_attention")) full = *per_type;
    if (const auto sliding = parameters->object("sliding_attention")) {
      if (architecture == "gemma3") translate_sliding(*sliding, architecture, metadata);
    }
    theta = theta_of(full, "rope_theta", theta);
    rotated = full.real("partial_rotary_factor").value_or(rotated);
    translate_scaling(full, config, scaling_prefix, metadata);
  } else if (const auto scaling = config.object("rope_scaling")) {
    translate_scaling(*scaling, config, scaling_prefix, metadata);
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
