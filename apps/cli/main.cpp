// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "arguments.h"
#include "commands.h"
#include "description.h"
#include "help.h"
#include "lazyllm/lazyllm.h"
#include "option_sources.h"
#include "parse_errors.h"
#include "terminal.h"
#include "this_cluster.h"

namespace {

void add_commands(CLI::App& app) {
  lazyllm::cli::add_run_command(app);
  lazyllm::cli::add_chat_command(app);
#ifdef LAZYLLM_WITH_SERVER
  lazyllm::cli::add_serve_command(app);
#endif
#ifdef LAZYLLM_WITH_PULL
  lazyllm::cli::add_pull_command(app);
#endif
  lazyllm::cli::add_library_command(app);
  lazyllm::cli::add_list_command(app);
  lazyllm::cli::add_tokenize_command(app);
  lazyllm::cli::add_tune_command(app);
  lazyllm::cli::add_info_command(app);
  lazyllm::cli::add_policies_command(app);
  lazyllm::cli::add_quantize_command(app);
  lazyllm::cli::add_bench_command(app);
  lazyllm::cli::add_eval_command(app);
  lazyllm::cli::add_attention_command(app);
  lazyllm::cli::add_report_command(app);
  lazyllm::cli::add_paper_command(app);
  lazyllm::cli::add_logits_command(app);
}

void parse_and_run(CLI::App& app, const std::vector<std::string>& given) {
  std::vector<std::string> commands;
  for (const CLI::App* command : app.get_subcommands({})) commands.push_back(command->get_name());
  std::vector<std::string> arguments = lazyllm::cli::normalise_arguments(given, commands);
  if (arguments.empty()) arguments.emplace_back("--help");
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes a vector
  app.parse(std::move(arguments));
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a reader that goes away is an output error, not a crash
  const std::vector<std::string> given(argv + std::min(argc, 1), argv + argc);
  CLI::App app(
      "lazyllm answers questions about long documents with a model on your own machine. It skips\n"
      "the parts of the document that the model is not looking at, so the first word comes sooner.",
      "lazyllm");
  app.set_version_flag("--version", "lazyllm " + lazyllm::version(), "print the version");
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\"\n"
      "  lazyllm chat -m model.gguf -f report.txt\n"
      "  lazyllm serve -m model.gguf        then open http://127.0.0.1:8080\n"
      "  lazyllm run -m model.gguf -f report.txt -p \"What was decided?\" --prune off\n"
      "lazyllm help COMMAND explains a command. Each flag of a command has an environment "
      "variable\n"
      "too (LAZYLLM_CTX_SIZE for --ctx-size), and may stand in a file: --config FILE.");
  const bool describes = given == std::vector<std::string>{"help", "--json"};
  if (describes || std::count(given.begin(), given.end(), "--help-all") > 0)
    lazyllm::cli::show_expert_flags();
  add_commands(app);
  lazyllm::cli::add_variables_and_file(app, given);
  lazyllm::cli::style_help(app);
  app.failure_message(lazyllm::cli::plain_failure);
  lazyllm::cli::ThisCluster cluster;
  try {
    if (!cluster.join(given)) return 0;
    if (describes) {
      lazyllm::cli::write_out(lazyllm::cli::description_json(app));
      return 0;
    }
    parse_and_run(app, given);
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
