// SPDX-License-Identifier: Apache-2.0
// lazy_laws MODEL: holds the laws of laziness on any model file, whatever its architecture: keep
// ratio 1 is dense, chunks, threads and snapshots change no bit, nothing is computed twice. Driver
// of tests/python/test_lazy_laws.py.
#include <cstdio>
#include <memory>

#include "lazy/policy.h"
#include "lazy/snapshot.h"
#include "lazy/step.h"
#include "model/architecture.h"

namespace {

using namespace lazyllm;
using namespace lazyllm::lazy;

constexpr CacheTypes kExact{kernels::CacheType::f32, kernels::CacheType::f32};
constexpr int64_t kPrompt = 60;
int failures = 0;

void check(bool holds, const char* law) {
  if (holds) return;
  std::fprintf(stderr, "lazy_laws: %s\n", law);
  ++failures;
}

/// A model with a number of threads of its own.
struct Computer {
  Computer(const formats::ModelFile& file, int threads)
      : backend(kernels::create_cpu_backend("", threads)) {
    model::Hyperparameters h = model::describe(file);
    model::Weights weights = model::load_weights(file, h, *backend);
    transformer = std::make_unique<model::Transformer>(std::move(h), std::move(weights), *backend);
  }
  std::unique_ptr<kernels::Backend> backend;
  std::unique_ptr<model::Transformer> transformer;
};

/// Keeps the rows at one depth when a step has just reached it.
struct Keeper : StepObserver {
  Keeper(const Sequence& of, Snapshot& to) : sequence(of), snapshot(to) {}
  void on_computed(int depth) override {
    if (depth == snapshot.depth()) snapshot.record(sequence);
  }
  const Sequence& sequence;
  Snapshot& snapshot;
};

struct Runner {
  explicit Runner(const Computer& computer)
      : stepper(*computer.transformer), sequence(*computer.transformer, kExact) {}

  std::vector<float> feed(Policy& policy, std::span<const int32_t> tokens, int stop_depth = -1,
                          StepObserver* observer = nullptr) {
    std::vector<float> logits;
    StepRequest request;
    request.new_tokens = tokens;
    request.kind = tokens.size() > 1 ? StepKind::prompt : StepKind::decode;
    request.revive_budget = {0};
    request.stop_depth = stop_depth;
    request.first_query = tokens.size() > 1 ? 0 : -1;
    request.observer = observer;
    request.logits = [&](int64_t, std::span<const float> values) {
      logits.assign(values.begin(), values.end());
    };
    stepper.step(sequence, policy, request);
    return logits;
  }

  uint64_t depths() const {
    uint64_t sum = 0;
    for (int64_t token = 0; token < sequence.size(); ++token) {
      sum += static_cast<uint64_t>(sequence.depth(token));
    }
    return sum;
  }

  Stepper stepper;
  Sequence sequence;
};

std::unique_ptr<Policy> lazy_policy(const model::Hyperparameters& h, Schedule schedule) {
  PruningPlan plan;
  plan.policy_name = "lazy";
  plan.schedule = std::move(schedule);
  plan.query_heads = h.heads;
  return create_policy(plan);
}

/// The last token's logits where every row passes all layers, since the logits of all are wanted.
std::vector<float> computed_in_full(const Computer& computer, Policy& policy,
                                    std::span<const int32_t> tokens) {
  Stepper stepper(*computer.transformer);
  Sequence sequence(*computer.transformer, kExact);
  std::vector<int32_t> positions;
  for (size_t i = 0; i < tokens.size(); ++i) positions.push_back(static_cast<int32_t>(i));
  std::vector<float> last;
  StepRequest request;
  request.new_tokens = tokens;
  request.logit_positions = positions;
  request.logits = [&](int64_t, std::span<const float> values) {
    last.assign(values.begin(), values.end());
  };
  const StepReport& report = stepper.step(sequence, policy, request);
  check(report.finished_rows == std::ssize(tokens), "a row with results did not pass all layers");
  return last;
}

void hold_laws(const formats::ModelFile& file) {
  const Computer one(file, 1), three(file, 3);
  const model::Hyperparameters& h = one.transformer->hyperparameters();
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < kPrompt + 6; ++i) {
    tokens.push_back(static_cast<int32_t>((3 + i * i * 7) % h.vocabulary_size));
  }
  const auto all = std::span<const int32_t>(tokens);
  const auto prompt = all.first(kPrompt);
  PruningPlan plan;
  plan.policy_name = "dense";
  const auto dense = create_policy(plan);
  Schedule keep_all, halves;
  for (int layer = 1; layer < h.kv_layers(); ++layer) {
    if (!h.full_attention(layer - 1)) continue;
    keep_all.push_back({layer, 1.0});
    halves.push_back({layer, 0.5});
  }

  Runner whole(one), kept(one), chunked(three);
  const auto kept_policy = lazy_policy(h, keep_all);
  const auto expected = whole.feed(*dense, prompt);
  check(kept.feed(*kept_policy, prompt) == expected, "keep ratio 1 is not dense");
  check(computed_in_full(three, *dense, prompt) == expected, "rows that are left out change bits");
  for (int64_t begin = 0; begin < kPrompt; begin += 7) {
    const auto part = prompt.subspan(static_cast<size_t>(begin),
                                     static_cast<size_t>(std::min<int64_t>(7, kPrompt - begin)));
    const auto logits = chunked.feed(*dense, part);
    if (begin + 7 >= kPrompt) check(logits == expected, "chunks or threads change bits");
  }
  for (int64_t i = kPrompt; i < std::ssize(tokens); ++i) {
    const auto token = all.subspan(static_cast<size_t>(i), 1);
    const auto next = whole.feed(*dense, token);
    check(kept.feed(*kept_policy, token) == next, "keep ratio 1 is not dense while decoding");
    check(chunked.feed(*dense, token) == next, "threads change bits while decoding");
  }
  if (halves.empty()) return;  // a model that nothing can be cut in

  const int cut = halves.front().layer;
  const auto policy = lazy_policy(h, halves), again = lazy_policy(h, halves),
             restored_policy = lazy_policy(h, halves);
  Runner pruned(one), in_chunks(three), restored(one);
  Snapshot snapshot(*one.transformer, cut);
  Keeper keeper(pruned.sequence, snapshot);
  const auto logits = pruned.feed(*policy, prompt, -1, &keeper);
  check(pruned.depths() < static_cast<uint64_t>(kPrompt * h.kv_layers()), "nothing was pruned");
  check(pruned.depths() == pruned.sequence.computed_pairs(), "something was computed twice");
  for (size_t begin = 0; begin < 40; begin += 20) {
    in_chunks.feed(*again, prompt.subspan(begin, 20), cut);
  }
  check(in_chunks.feed(*again, prompt.subspan(40)) == logits, "chunks change a pruned prompt");
  snapshot.take(std::move(pruned.sequence));
  snapshot.restore(kPrompt - 10, restored.sequence);
  check(restored.feed(*restored_policy, prompt.subspan(kPrompt - 10)) == logits,
        "a snapshot changes bits");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    hold_laws(*formats::open_model_file(argv[1]));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lazy_laws: %s\n", error.what());
    return 1;
  }
  if (failures == 0) std::printf("all laws hold\n");
  return failures == 0 ? 0 : 1;
}
