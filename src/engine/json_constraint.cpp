// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/json_constraint.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "engine/model_implementation.h"
#include "grammar/schema_cache.h"
#include "grammar/text_filter.h"
#include "grammar/token_filter.h"

namespace lazyllm {
namespace {

template <typename Filter>
class FilterConstraint final : public TokenConstraint {
 public:
  FilterConstraint(std::shared_ptr<const Model> model, Filter filter)
      : model_(std::move(model)), filter_(std::move(filter)) {}

  void prepare() override { allowed_ = filter_.allowed(); }

  void restrict(std::span<float> logits) override {
    constexpr float kNever = -std::numeric_limits<float>::infinity();
    if (allowed_.empty()) prepare();
    const std::span<const uint64_t> allowed = std::exchange(allowed_, {});
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
  Filter filter_;
  std::span<const uint64_t> allowed_;  // one bit for each token; empty: not known yet
};

ConstraintFactory factory_of(std::shared_ptr<const Model> model, grammar::TextGrammar parsed) {
  auto table = model->implementation().require_token_table();
  auto shared = std::make_shared<const grammar::TextGrammar>(std::move(parsed));
  return [model = std::move(model), table = std::move(table), shared = std::move(shared)] {
    return std::make_shared<FilterConstraint<grammar::TextFilter>>(
        model, grammar::TextFilter(table, shared));
  };
}

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
  grammar::TokenFilter filter(implementation.require_token_table(), schema.grammar, schema.masks);
  return std::make_shared<FilterConstraint<grammar::TokenFilter>>(std::move(model),
                                                                  std::move(filter));
}

ConstraintFactory grammar_constraints(std::shared_ptr<const Model> model, std::string_view gbnf) {
  return factory_of(std::move(model), grammar::parse_gbnf(gbnf));
}

ConstraintFactory pattern_constraints(std::shared_ptr<const Model> model,
                                      std::string_view pattern) {
  return factory_of(std::move(model), grammar::grammar_of_pattern(pattern));
}

}  // namespace lazyllm
