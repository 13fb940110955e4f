// SPDX-License-Identifier: Apache-2.0
// After some steps, a step for one token takes no memory but for the tokens' own state.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "lazy/step.h"
#include "lazy/tiny_model_for_tests.h"

namespace {

std::atomic<int64_t> allocations{0};

void* counted(size_t bytes) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes == 0 ? 1 : bytes)) return memory;
  throw std::bad_alloc();
}

}  // namespace

// The whole test program's; the other tests do not look at the counter.
void* operator new(size_t bytes) {
  return counted(bytes);
}
void* operator new[](size_t bytes) {
  return counted(bytes);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, size_t) noexcept {
  std::free(memory);
}

namespace lazyllm::lazy {
namespace {

/// How many of 40 one-token steps behind a prompt allocate anything.
int steps_that_allocate(const std::string& policy_name, const std::string& schedule,
                        const std::string& score = "last") {
  TinyModel model({.context = 512});
  PruningOptions options;
  options.policy = policy_name;
  options.prune = schedule;
  options.score = score;
  options.min_prompt = 0;
  const PruningPlan plan = resolve(options, model.transformer().hyperparameters());
  const auto policy = create_policy(plan);
  Stepper stepper(model.transformer());
  Sequence sequence(model.transformer(), {});
  StepRequest request;
  request.logits = [](int64_t, std::span<const float>) {};
  request.revive_budget = plan.revive_budget;
  const auto step = [&](const std::vector<int32_t>& tokens, StepKind kind) {
    request.new_tokens = tokens;
    request.kind = kind;
    const int64_t before = allocations.load();
    stepper.step(sequence, *policy, request);
    return allocations.load() - before;
  };
  step(std::vector<int32_t>(200, 5), StepKind::prompt);
  const std::vector<int32_t> one = {7};
  for (int i = 0; i < 10; ++i) step(one, StepKind::decode);
  int count = 0;
  for (int i = 0; i < 40; ++i) count += step(one, StepKind::decode) > 0 ? 1 : 0;
  return count;
}

TEST(StepAllocation, OnlyWhenTheStateOfTheTokensGrows) {
  // Lists over all tokens double now and then, and each 64 tokens every layer gets a block.
  EXPECT_LE(steps_that_allocate("dense", ""), 6);
  EXPECT_LE(steps_that_allocate("lazy", "2:0.5"), 12);
  EXPECT_LE(steps_that_allocate("lazy", "2:0.5", "peak:2@8"), 12);
}

}  // namespace
}  // namespace lazyllm::lazy
