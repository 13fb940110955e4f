// SPDX-License-Identifier: Apache-2.0
#include "tuning/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lazyllm::tuning {
namespace {

using testing::HasSubstr;

/// Well inside of a bound of 1 %.
TuneLoss good_loss() {
  TuneLoss loss;
  loss.prompts = 10;
  loss.kl = 0.01;
  loss.same_top = 0.98;
  loss.needles = loss.found = 5;
  loss.work = 0.5;
  return loss;
}

TEST(TuneBound, NamesWhatIsOutsideOfIt) {
  const TuneBound bound(0.01);
  EXPECT_EQ(bound.broken_by(good_loss()), "");
  EXPECT_TRUE(bound.holds(good_loss()));
  TuneLoss loss = good_loss();
  loss.kl = 0.05;
  loss.same_top = 0.9;
  EXPECT_EQ(bound.broken_by(loss), "KL 0.0500, same top 90.0 %");
  loss = good_loss();
  loss.found = 4;
  EXPECT_EQ(bound.broken_by(loss), "needles 4/5");
  loss = good_loss();
  loss.needle_loglik = -0.06;
  EXPECT_THAT(bound.broken_by(loss), HasSubstr("needles' log-likelihood -0.060"));
}

TEST(TuneBound, FewPromptsHaveTheBenefitOfTheDoubt) {
  const TuneBound bound(0.01);
  TuneLoss loss = good_loss();
  loss.loglik = -0.03;  // beyond -.02
  loss.loglik_error = 0.001;
  EXPECT_FALSE(bound.holds(loss));
  loss.loglik_error = 0.01;  // its interval reaches the bound
  EXPECT_TRUE(bound.holds(loss));
  loss.loglik = -0.05;  // but not so far beyond
  loss.loglik_error = 1.0;
  EXPECT_FALSE(bound.holds(loss));
}

TEST(TuneBound, RiskIsTheWorseOfBothInSharesOfTheBound) {
  const TuneBound bound(0.01);
  TuneLoss loss = good_loss();
  EXPECT_NEAR(bound.risk(loss), 0.25, 1e-9);
  loss.needle_loglik = -0.1;
  EXPECT_NEAR(bound.risk(loss), 2.0, 1e-9);
}

}  // namespace
}  // namespace lazyllm::tuning
