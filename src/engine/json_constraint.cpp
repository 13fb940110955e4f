// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/json_constraint.h"

#include <algorithm>
#include <limits>

#include "engine/model_implementation.h"
#include "grammar/schema_cache.h"
#include "grammar/token_filter.h"

namespace lazyllm {
namespace {

class JsonConstraint final : public TokenConstraint {
 public:
  JsonConstraint(std::shared_ptr<const Model> model, const grammar::CompiledSchema& schema)
      : model_(std::move(model)),
        filter_(model_->implementation().require_token_table(), schema.grammar, schema.masks) {}

  void restrict(std::span<float> logits) override {
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    const std::span<const uint64_t> allowed = filter_.allowed();
    // A model may have more rows than its vocabulary has tokens.
    for (size_t i = 0; i < logits.size(); i += 64) {
      const uint64_t bits = i / 64 < allowed.size() ? allowed[i / 64] : 0;
      if (bits == UINT64_MAX) continue;
      const size_t end = std::min(i + 64, logits.size());
      for (size_t token = i; token < end; ++token) {
        if ((bits >> (token - i) & 1) == 0) logits[token] = kNever;
      }
    }
  }

  void accept(TokenId token) override { filter_.accept(token); }

 private:
  std::shared_ptr<const Model> model_;
  grammar::TokenFilter filter_;
};

}  // namespace

std::shared_ptr<TokenConstraint> make_json_object_constraint(std::shared_ptr<const Model> model) {
  return make_json_schema_constraint(std::move(model), R"({"type": "object"})");
}

std::shared_ptr<TokenConstraint> make_json_schema_constraint(std::shared_ptr<const Model> model,
                                                             std::string_view schema_json,
                                                             const std::stop_token& stop) {
  const Model::Implementation& implementation = model->implementation();
  const grammar::CompiledSchema schema =
      implementation.schema_cache().get(implementation.require_token_table(), schema_json, stop);
  return std::make_shared<JsonConstraint>(std::move(model), schema);
}

}  // namespace lazyllm
