// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "commands.h"
#include "common_options.h"
#include "lazyllm/research/attention.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

struct AttentionOptions {
  CommonOptions common;
  std::vector<std::string> files;
  int64_t tokens = 0;
  std::string output = "md";
};

constexpr double kMasses[] = {0.5, 0.9, 0.95, 0.99};

/// How one layer's attention is spread over the tokens of one prompt.
struct Spread {
  double first_token = 0.0;                // share of the attention on the first token
  double needed[std::size(kMasses)] = {};  // share of the tokens that hold this much of it
};

Spread spread_of(std::span<const float> scores) {
  std::vector<float> sorted(scores.begin(), scores.end());
  std::sort(sorted.rbegin(), sorted.rend());
  double total = 0.0;
  for (const float score : sorted) total += score;
  Spread spread;
  spread.first_token = scores.front() / total;
  double sum = 0.0;
  size_t taken = 0;
  for (size_t m = 0; m < std::size(kMasses); ++m) {
    while (taken < sorted.size() && sum < kMasses[m] * total) sum += sorted[taken++];
    spread.needed[m] = static_cast<double>(taken) / static_cast<double>(sorted.size());
  }
  return spread;
}

void show_attention(const AttentionOptions& options) {
  const auto model = load_model(options.common);
  std::map<int, Spread> layers;
  int64_t tokens = 0;
  for (const std::string& file : options.files) {
    std::vector<TokenId> prompt = model->tokenize(read_document(file));
    if (options.tokens > 0 && std::ssize(prompt) > options.tokens) {
      prompt.resize(static_cast<size_t>(options.tokens));
    }
    tokens += std::ssize(prompt);
    last_token_attention(*model, prompt, [&](int layer, std::span<const float> scores) {
      const Spread spread = spread_of(scores);
      const double share = 1.0 / static_cast<double>(options.files.size());
      layers[layer].first_token += share * spread.first_token;
      for (size_t m = 0; m < std::size(kMasses); ++m) {
        layers[layer].needed[m] += share * spread.needed[m];
      }
    });
  }
  if (options.output == "json") {
    nlohmann::ordered_json rows = nlohmann::ordered_json::array();
    for (const auto& [layer, spread] : layers) {
      nlohmann::ordered_json row = {{"layer", layer}, {"first_token", spread.first_token}};
      for (size_t m = 0; m < std::size(kMasses); ++m) {
        row[fmt::format("tokens_for_{:g}", kMasses[m])] = spread.needed[m];
      }
      rows.push_back(row);
    }
    write_out(rows.dump(1) + "\n");
    return;
  }
  std::string out = fmt::format(
      "{} prompts, {} tokens on average. Share of the tokens that hold so much of the last token's "
      "attention (mean over heads):\n\n| after layer | on the first token | 50 % | 90 % | 95 % | "
      "99 % |\n|---:|---:|---:|---:|---:|---:|\n",
      options.files.size(), tokens / std::ssize(options.files));
  for (const auto& [layer, spread] : layers) {
    out += fmt::format("| {} | {:.3f} | {:.4f} | {:.4f} | {:.4f} | {:.4f} |\n", layer,
                       spread.first_token, spread.needed[0], spread.needed[1], spread.needed[2],
                       spread.needed[3]);
  }
  write_out(out);
}

}  // namespace

void add_attention_command(CLI::App& app) {
  auto options = std::make_shared<AttentionOptions>();
  CLI::App* command = app.add_subcommand(
      "attention", "how few tokens the next one looks at, layer by layer (the paper's Fig. 2)");
  add_model_flags(*command, options->common);
  command->add_option("-f,--file", options->files, "text file; may be repeated")->required();
  command->add_option("--tokens", options->tokens, "only the first so many tokens of each file")
      ->check(CLI::PositiveNumber);
  command->add_option("-o,--output", options->output, "md, json")
      ->check(CLI::IsMember({"md", "json"}))
      ->capture_default_str();
  command->footer("Example:\n  lazyllm attention -m model.gguf -f book.txt --tokens 3000");
  command->callback([options] { show_attention(*options); });
}

}  // namespace lazyllm::cli
