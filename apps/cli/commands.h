// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>

namespace lazyllm::cli {

// Each adds its subcommand; the subcommand's callback does the work and throws lazyllm::Error.
void add_run_command(CLI::App& app);
void add_chat_command(CLI::App& app);
void add_library_command(CLI::App& app);
void add_list_command(CLI::App& app);
void add_tokenize_command(CLI::App& app);
void add_tune_command(CLI::App& app);
void add_info_command(CLI::App& app);
void add_policies_command(CLI::App& app);
void add_quantize_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_eval_command(CLI::App& app);
void add_attention_command(CLI::App& app);
void add_paper_command(CLI::App& app);
void add_report_command(CLI::App& app);
void add_logits_command(CLI::App& app);
#ifdef LAZYLLM_WITH_PULL
void add_pull_command(CLI::App& app);
#endif
#ifdef LAZYLLM_WITH_SERVER
void add_serve_command(CLI::App& app);
#endif

}  // namespace lazyllm::cli
