// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/evaluation/arm.h"

#include <gtest/gtest.h>

namespace lazyllm::evaluation {
namespace {

TEST(Arm, IsDescribedByAllThatIsSet) {
  PruningOptions pruning;
  pruning.policy = "dense";
  pruning.profile = "none";
  EXPECT_EQ(describe(pruning), "dense");
  pruning.policy = "lazy";
  pruning.prune = "15:0.3";
  pruning.score_pool = 7;
  pruning.revive_budget = RevivalBudget{RevivalBudget::kAll};
  EXPECT_EQ(describe(pruning), "lazy@15:0.3+score-pool=7+revive-budget=all");
}

TEST(Arm, WhatChangesAResultChangesItsFingerprint) {
  const ModelInfo model;
  Arm arm{"lazy@15:0.3", {}};
  const std::string first = fingerprint(arm, model);
  EXPECT_EQ(fingerprint(arm, model), first);
  arm.session.cache_type_k = CacheType::q8_0;
  EXPECT_NE(fingerprint(arm, model), first);
  arm.session.cache_type_k = CacheType::f16;
  arm.profile = "lazy@9:0.4";
  EXPECT_NE(fingerprint(arm, model), first);
}

}  // namespace
}  // namespace lazyllm::evaluation
