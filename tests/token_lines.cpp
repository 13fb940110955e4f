// SPDX-License-Identifier: Apache-2.0
// token_lines MODEL: reads a JSON string from each line, writes its tokens as a JSON list, special
// tokens parsed and none added. Driver of tools/compare_tokenizers.py.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "lazyllm/lazyllm.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    const auto model = lazyllm::Model::load_without_weights(argv[1]);
    for (std::string line; std::getline(std::cin, line);) {
      const std::string text = nlohmann::json::parse(line);
      const nlohmann::json tokens =
          model->tokenize(text, /*add_special=*/false, /*parse_special=*/true);
      std::printf("%s\n", tokens.dump().c_str());
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "token_lines: %s\n", error.what());
    return 1;
  }
}
