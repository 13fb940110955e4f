// SPDX-License-Identifier: Apache-2.0
// Answers a question about a document and prints what pruning saved.
//   answer MODEL DOCUMENT QUESTION
#include <cstdio>
#include <string>

#include "lazyllm/lazyllm.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: answer MODEL DOCUMENT QUESTION\n");
    return 2;
  }
  try {
    const std::string document = lazyllm::read_document(argv[2]);  // throws where there is none
    const auto model = lazyllm::Model::load(argv[1]);
    const lazyllm::ChatMessage messages[] = {{"user", document + "\n\n" + argv[3]}};

    lazyllm::Session session(model);  // policy lazy with the preset `careful`
    lazyllm::GenerationOptions options;
    options.sampling.temperature = 0.0f;
    options.max_tokens = 64;
    const lazyllm::ChatPrompt prompt = model->chat_prompt(messages);
    options.protected_ranges = prompt.protected_ranges;  // roles and the template stay
    lazyllm::GenerationCallbacks callbacks;
    callbacks.on_text = [](std::string_view text) {
      std::fwrite(text.data(), 1, text.size(), stdout);
      std::fflush(stdout);
    };
    session.generate(prompt.tokens, options, callbacks);

    const lazyllm::Statistics& s = session.statistics();
    std::printf("\n%lld prompt tokens, first token after %.0f ms, %.1f %% of the work computed\n",
                static_cast<long long>(s.prompt_tokens), s.ttft_ms, 100.0 * s.computed_fraction);
  } catch (const lazyllm::Error& error) {
    std::fprintf(stderr, "answer: %s\n", error.what());
    return 1;
  }
  return 0;
}
