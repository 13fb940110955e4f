// SPDX-License-Identifier: Apache-2.0
// The list of policies: one line each, for policies/NAME.cpp with its
// `const PolicyDescription& NAME_policy()`. extending_test.cpp fails for a file that is not named
// here.
#include "base/error.h"
#include "lazy/named_list.h"
#include "lazy/policy.h"

#define LAZYLLM_POLICIES(X) \
  X(dense)                  \
  X(lazy)                   \
  X(random)                 \
  X(static)                 \
  X(compress)               \
  X(tsp)                    \
  X(gem)

namespace lazyllm::lazy {

#define LAZYLLM_DECLARE(NAME) const PolicyDescription& NAME##_policy();
#define LAZYLLM_TAKE(NAME) &NAME##_policy(),
LAZYLLM_NAMED_LIST(PolicyDescription, policies, LAZYLLM_POLICIES, LAZYLLM_DECLARE, LAZYLLM_TAKE)

std::span<const PolicyDescription* const> policy_descriptions() {
  return policies();
}

void add_policy(const PolicyDescription& policy) {
  LAZYLLM_CHECK(find_policy(policy.name) == nullptr && policy.make != nullptr);
  policies().push_back(&policy);
}

const PolicyDescription* find_policy(std::string_view name) {
  for (const PolicyDescription* policy : policies()) {
    if (policy->name == name) return policy;
  }
  return nullptr;
}

}  // namespace lazyllm::lazy
