// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "commands.h"
#include "common_options.h"
#include "lazyllm/model_store.h"
#include "terminal.h"

namespace lazyllm::cli {
namespace {

std::string mebibytes(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
}

std::string attention_text(const ModelInfo& info) {
  std::string convolutions;
  const auto convolving = std::count_if(info.convolutions.begin(), info.convolutions.end(),
                                        [](int taps) { return taps > 0; });
  if (convolving > 0) {
    convolutions = fmt::format(
        "short convolutions over {} tokens in {} layers; ",
        *std::max_element(info.convolutions.begin(), info.convolutions.end()), convolving);
  }
  const auto sliding = std::count_if(info.sliding_windows.begin(), info.sliding_windows.end(),
                                     [](int window) { return window > 0; });
  if (sliding == 0 && convolving == 0) return "full in every layer";
  const int window = *std::max_element(info.sliding_windows.begin(), info.sliding_windows.end());
  std::string full;
  for (size_t l = 0; l < info.sliding_windows.size(); ++l) {
    if (info.sliding_windows[l] > 0 || info.convolutions[l] > 0) continue;
    full += (full.empty() ? "" : ", ") + std::to_string(l + 1);
  }
  if (full.empty()) full = "none";
  if (sliding == 0) return fmt::format("{}full in layers {}", convolutions, full);
  return fmt::format("{}sliding window of {} in {} layers; full in layers {}", convolutions, window,
                     sliding, full);
}

void show_info(const CommonOptions& options) {
  const SessionOptions session = session_options(options);
  ModelOptions model_options;
  model_options.threads = options.threads;
  model_options.isa = options.isa;
  model_options.on_message = [](const std::string& line) {
    fmt::print(stderr, "warning: {}\n", line);
  };
  const ModelInfo info =
      Model::load_without_weights(find_model(options.model), model_options)->info();
  std::string out;
  const auto line = [&](std::string_view name, const std::string& value) {
    out += fmt::format("{:<16} {}\n", name, value);
  };
  line("file", info.path);
  line("container", info.container);
  line("size", mebibytes(info.file_bytes));
  if (!info.name.empty()) line("name", info.name);
  if (!info.architecture.empty()) line("architecture", info.architecture);
  if (info.layers > 0) {
    line("parameters", fmt::format("{:.1f} M", static_cast<double>(info.parameters) / 1e6));
    line("layers", info.describe_layers());
    line("hidden size", std::to_string(info.hidden_size));
    line("feed-forward", std::to_string(info.intermediate_size));
    if (info.experts > 0) {
      line("experts", fmt::format("{} of {} per token, feed-forward {}", info.experts_used,
                                  info.experts, info.expert_size));
    }
    line("heads",
         fmt::format("{} query, {} key/value, of {}", info.heads, info.kv_heads, info.head_dim));
    line("attention", attention_text(info));
    line("context", std::to_string(info.context_length));
  }
  line("vocabulary", std::to_string(info.vocabulary_size));
  line("tokenizer", info.tokenizer);
  line("chat template", info.has_chat_template ? "yes" : "no");
  for (const auto& [type, count] : info.tensor_types) {
    line("tensors", fmt::format("{} of {}: {}", count, type, info.kernels.at(type)));
  }
  if (info.layers > 0) {
    const auto context =
        static_cast<uint64_t>(options.context > 0 ? options.context : info.context_length);
    const uint64_t kv =
        context * info.kv_bytes_per_token(session.cache_type_k, session.cache_type_v);
    const uint64_t aux = context * static_cast<uint64_t>(info.hidden_size) * 4;
    line("memory",
         fmt::format("for {} tokens: weights about {}, K,V at most {}, Aux Cache at most {}",
                     context, mebibytes(info.file_bytes), mebibytes(kv), mebibytes(aux)));
  }
  line("kernels", fmt::format("{}, {} threads", info.isa, info.threads));
  write_out(out);
}

}  // namespace

void add_info_command(CLI::App& app) {
  auto options = std::make_shared<CommonOptions>();
  CLI::App* command =
      app.add_subcommand("info", "what a model file is, what it needs, what will run");
  command
      ->add_option("model,-m,--model", options->model,
                   "model file (.gguf), Hugging Face folder, or a name of lazyllm list")
      ->required();
  command->add_option("-c,--ctx-size", options->context, "context for the memory estimate")
      ->check(CLI::NonNegativeNumber);
  add_machine_flags(*command, *options);
  add_cache_type_flags(*command, *options);
  command->footer("Example:\n  lazyllm info model.gguf -c 4096");
  command->callback([options] { show_info(*options); });
}

}  // namespace lazyllm::cli
