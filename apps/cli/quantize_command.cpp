// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <memory>

#include "commands.h"
#include "lazyllm/model_store.h"
#include "lazyllm/quantize.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

struct Options {
  std::string in, out;
  QuantizeOptions quantize;
};

void quantize(const Options& options) {
  ProgressLine progress(ProgressLine::Elsewhere::kEachMinute);
  QuantizeOptions quantize = options.quantize;
  quantize.progress = [&progress](double share) { progress.show("quantize", share, ""); };
  const QuantizeReport report = quantize_model(find_model(options.in), options.out, quantize);
  progress.clear();
  const auto mebibytes = [](uint64_t bytes) { return static_cast<double>(bytes) / (1 << 20); };
  write_out(fmt::format("{}: {} tensors as {}, {} others; {:.1f} MiB of {:.1f}\n", options.out,
                        report.quantized, options.quantize.type, report.kept,
                        mebibytes(report.bytes_after), mebibytes(report.bytes_before)));
}

}  // namespace

void add_quantize_command(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("quantize", "write a model as a GGUF file with smaller weights");
  command
      ->add_option("input", options->in,
                   "GGUF file, Hugging Face folder, or a name of lazyllm list")
      ->required();
  command->add_option("output", options->out, "GGUF file to write")->required();
  command->add_option("type", options->quantize.type, fmt::format("one of {}", quantize_types()))
      ->required();
  command->add_option("-t,--threads", options->quantize.threads, "threads (0: one per core)")
      ->check(CLI::Range(0, 1024));
  command->footer(
      "Examples:\n"
      "  lazyllm quantize my-folder my-model-q8.gguf Q8_0\n"
      "  lazyllm quantize model-bf16.gguf model-q4.gguf Q4_K_M");
  command->callback([options] { quantize(*options); });
}

}  // namespace lazyllm::cli
