// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <new>
#include <string>
#include <vector>

#include "commands.h"
#include "lazyllm/lazyllm.h"

namespace {

/// llama.cpp's flags with one dash and several letters, which CLI11 does not know.
std::vector<std::string> normalise(int argc, char** argv) {
  const std::map<std::string, std::string> long_forms = {{"-ctk", "--cache-type-k"},
                                                         {"-ctv", "--cache-type-v"},
                                                         {"-sys", "--system-prompt"},
                                                         {"-np", "--parallel"},
                                                         {"-cram", "--cache-ram"}};
  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 takes a vector in reverse order
    const auto found = long_forms.find(argv[i]);
    arguments.emplace_back(found == long_forms.end() ? argv[i] : found->second);
  }
  return arguments;
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an output error, not a crash
  CLI::App app{
      "lazyllm: answers about long prompts, computing in each layer only the tokens that matter"};
  app.set_version_flag("--version", "lazyllm " + lazyllm::version());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\"\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\" --policy dense\n"
      "  lazyllm chat -m model.gguf -f report.txt\n"
      "  lazyllm serve -m model.gguf\n"
      "Each command explains itself with --help.");
  lazyllm::cli::add_run_command(app);
  lazyllm::cli::add_chat_command(app);
#ifdef LAZYLLM_WITH_SERVER
  lazyllm::cli::add_serve_command(app);
#endif
  lazyllm::cli::add_tokenize_command(app);
  lazyllm::cli::add_tune_command(app);
  lazyllm::cli::add_info_command(app);
  lazyllm::cli::add_policies_command(app);
  lazyllm::cli::add_bench_command(app);
  lazyllm::cli::add_eval_command(app);
  lazyllm::cli::add_attention_command(app);
  lazyllm::cli::add_report_command(app);
  lazyllm::cli::add_logits_command(app);
  try {
    app.parse(normalise(argc, argv));
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : 2;
  } catch (const lazyllm::Error& error) {
    std::fprintf(stderr, "lazyllm: %s\n", error.what());
    if (error.code() == lazyllm::ErrorCode::cancelled) return 130;
    return error.code() == lazyllm::ErrorCode::usage ? 2 : 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "lazyllm: out of memory; use a smaller model or a smaller --ctx-size\n");
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "lazyllm: %s\n", error.what());
    return 1;
  }
  return 0;
}
