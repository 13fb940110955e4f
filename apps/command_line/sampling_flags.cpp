// SPDX-License-Identifier: Apache-2.0
#include "sampling_flags.h"

#include "help.h"

namespace lazyllm::cli {

void add_sampling_flags(CLI::App& command, SamplingFlags& flags) {
  const std::string group = "Answer";
  const std::string expert = expert_group();
  SamplingOptions& s = flags.sampling;
  command
      .add_option("-n,--predict,--n-predict", flags.max_tokens,
                  "most tokens of an answer; -1: no limit")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 40))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--temp,--temperature", s.temperature,
                  "how freely words are drawn; 0: always the most likely one")
      ->capture_default_str()
      ->group(group);
  command.add_option("--top-k", s.top_k, "choose among the K most likely tokens; 0: all")
      ->capture_default_str()
      ->group(expert);
  command
      .add_option("--top-p", s.top_p,
                  "choose among the most likely tokens that together have this probability; 1: all")
      ->capture_default_str()
      ->group(expert);
  command
      .add_option("--min-p", s.min_p,
                  "leave out tokens less likely than this share of the most likely one; 0: none")
      ->capture_default_str()
      ->group(expert);
  command
      .add_option("--repeat-penalty", s.repeat_penalty,
                  "make tokens that were there lately less likely; 1: off")
      ->capture_default_str()
      ->group(expert);
  command
      .add_option("--repeat-last-n", s.repeat_last_n,
                  "tokens that the penalty looks back on; -1: all")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str()
      ->group(expert);
  command.add_option("-s,--seed", flags.seed, "random seed; -1: 0")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--stop,-r,--reverse-prompt", flags.stop,
                  "text that ends the answer; may be repeated")
      ->group(group);
  command
      .add_option("--prompt-lookup,--prompt-lookup-num-tokens", flags.prompt_lookup_num_tokens,
                  "guess up to N next tokens from what stands in the text and check them in one "
                  "go: the same answer, sooner where it quotes; 0: off")
      ->check(CLI::Range(0, kMostDraftedTokens))
      ->capture_default_str()
      ->group(group);
  command.add_flag("--ignore-eos", flags.ignore_eos, "go on after the model ends its answer")
      ->group(expert);
}

void add_loop_flag(CLI::App& command, SamplingFlags& flags) {
  command
      .add_flag("--allow-loops", flags.allow_loops,
                "do not stop an answer at --temp 0 that says the same over and over")
      ->group("Answer");
}

bool stops_loops(const SamplingFlags& flags) {
  return !flags.allow_loops && flags.sampling.temperature <= 0.0f;
}

GenerationOptions generation_options(const SamplingFlags& flags) {
  GenerationOptions generation;
  generation.sampling = flags.sampling;
  generation.sampling.seed = static_cast<uint64_t>(flags.seed < 0 ? 0 : flags.seed);
  generation.max_tokens = flags.max_tokens;
  generation.stop = flags.stop;
  generation.ignore_eos = flags.ignore_eos;
  generation.prompt_lookup_num_tokens = flags.prompt_lookup_num_tokens;
  return generation;
}

}  // namespace lazyllm::cli
