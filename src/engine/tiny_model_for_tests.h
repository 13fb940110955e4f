// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "engine/split_model_for_tests.h"
#include "lazy/tiny_model_for_tests.h"
#include "lazyllm/model.h"

namespace lazyllm {

/// The random model of this shape on two threads. With LAZYLLM_TEST_RANKS=2, say, its layers are
/// split over two ranks: no test should notice.
inline std::shared_ptr<const Model> load_tiny_model(const lazy::TinyShape& shape = {}) {
  const char* const ranks = std::getenv("LAZYLLM_TEST_RANKS");
  if (ranks != nullptr && shape.experts == 0) {
    const auto split =
        std::make_shared<SplitModel>(std::min(std::atoi(ranks), shape.layers), shape);
    return {split, split->model().get()};
  }
  const auto path = lazy::temporary_model_path();
  lazy::write_tiny_model(shape, path);
  ModelOptions options;
  options.threads = 2;
  auto model = Model::load(path, options);
  std::filesystem::remove(path);
  return model;
}

inline std::vector<TokenId> random_tokens(int count, unsigned seed = 1, int vocabulary = 64) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>(random() % static_cast<unsigned>(vocabulary)));
  }
  return tokens;
}

}  // namespace lazyllm
