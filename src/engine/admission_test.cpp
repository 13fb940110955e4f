// SPDX-License-Identifier: Apache-2.0
#include "engine/admission.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace lazyllm::engine {
namespace {

TEST(Admission, PlacesAndBytesBothCount) {
  Admission admission(2, 100);
  EXPECT_TRUE(admission.admits(100));
  EXPECT_FALSE(admission.admits(101));
  EXPECT_FALSE(admission.can_ever_fit(std::numeric_limits<uint64_t>::max()));
  admission.begin(60);
  EXPECT_FALSE(admission.admits(41));
  EXPECT_TRUE(admission.admits(40));
  admission.begin(10);
  EXPECT_FALSE(admission.admits(1));  // no place
  admission.end(60);
  EXPECT_TRUE(admission.admits(90));
}

TEST(Admission, NeverPromisesMoreThanThereIs) {
  std::mt19937_64 random(3);
  Admission admission(8, 1000);
  std::vector<uint64_t> running;
  for (int i = 0; i < 10'000; ++i) {
    const uint64_t wanted = random() % 500;
    if (admission.admits(wanted)) {
      admission.begin(wanted);
      running.push_back(wanted);
    } else if (!running.empty()) {
      admission.end(running.back());
      running.pop_back();
    }
    EXPECT_LE(admission.promised_bytes(), 1000u);
    EXPECT_LE(admission.running(), 8);
  }
}

}  // namespace
}  // namespace lazyllm::engine
