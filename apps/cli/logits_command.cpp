// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <numeric>
#include <sstream>

#include "commands.h"
#include "common_options.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

struct LogitsOptions {
  CommonOptions common;
  std::string ids_file, output;
  int64_t greedy = 0;
};

std::vector<TokenId> read_ids(const std::string& path) {
  std::istringstream stream(read_document(path));
  std::vector<TokenId> ids;
  for (TokenId id = 0; stream >> id;) ids.push_back(id);
  if (!stream.eof()) {
    throw Error(ErrorCode::invalid_input,
                fmt::format("{}: not a list of token ids after {} of them", path, ids.size()));
  }
  return ids;
}

/// The most likely continuation as ids on stdout, end-of-text tokens included.
void print_greedy(Session& session, const std::vector<TokenId>& ids, int64_t count) {
  GenerationOptions generation;
  generation.sampling.temperature = 0.0f;
  generation.max_tokens = count;
  generation.ignore_eos = true;
  std::string line;
  for (const TokenId token : session.generate(ids, generation).tokens) {
    line += (line.empty() ? "" : " ") + std::to_string(token);
  }
  write_out(line + "\n");
}

/// Writes int32 n, int32 vocabulary, then float32 [n][vocabulary].
void dump_logits(const LogitsOptions& options) {
  const std::vector<TokenId> ids = read_ids(options.ids_file);
  std::ofstream file(options.output, std::ios::binary | std::ios::trunc);
  if (!file) {
    throw Error(ErrorCode::io,
                fmt::format("cannot write {}: {}", options.output, std::strerror(errno)));
  }
  const auto model = load_model(options.common);
  SessionOptions session_settings = session_options(options.common);
  session_settings.pruning.policy = "dense";
  Session session(model, session_settings);
  std::vector<int32_t> positions(ids.size());
  std::iota(positions.begin(), positions.end(), 0);
  const int32_t header[] = {static_cast<int32_t>(ids.size()),
                            static_cast<int32_t>(model->info().vocabulary_size)};
  file.write(reinterpret_cast<const char*>(header), sizeof header);
  ProgressLine progress;
  session.logits(ids, positions, [&](int64_t position, std::span<const float> row) {
    progress.show("logits", static_cast<double>(position + 1) / static_cast<double>(ids.size()),
                  "");
    file.write(reinterpret_cast<const char*>(row.data()),
               static_cast<std::streamsize>(row.size_bytes()));
  });
  file.flush();
  if (!file)
    throw Error(ErrorCode::io,
                fmt::format("cannot write {}: {}", options.output, std::strerror(errno)));
  if (options.greedy > 0) print_greedy(session, ids, options.greedy);
}

}  // namespace

void add_logits_command(CLI::App& app) {
  auto options = std::make_shared<LogitsOptions>();
  CLI::App* command =
      app.add_subcommand("logits", "write the logits of a dense pass (for developers)");
  add_model_flags(*command, options->common);
  command->add_option("--ids", options->ids_file, "file with token ids")->required();
  command
      ->add_option("-o,--output", options->output,
                   "file: int32 n, int32 vocabulary, float32 [n][vocabulary]")
      ->required();
  command->add_option("--greedy", options->greedy, "also print this many greedy tokens, as ids")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--cache-type-k", options->common.cache_type_k, "f16, f32, q8_0")
      ->capture_default_str();
  command->add_option("--cache-type-v", options->common.cache_type_v, "f16, f32, q8_0")
      ->capture_default_str();
  command->footer("Example:\n  lazyllm logits -m model.gguf --ids ids.txt -o logits.bin");
  command->callback([options] { dump_logits(*options); });
}

}  // namespace lazyllm::cli
