// SPDX-License-Identifier: Apache-2.0
#include "common_options.h"

#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <cstdio>

#include "terminal.h"

namespace lazyllm::cli {
namespace {

CacheType parse_cache_type(const std::string& flag, const std::string& text) {
  if (text == "f16") return CacheType::f16;
  if (text == "f32") return CacheType::f32;
  if (text == "q8_0") return CacheType::q8_0;
  throw Error(ErrorCode::usage, fmt::format("{} {}: write f16, f32 or q8_0", flag, text));
}

RevivalBudget parse_budget(const std::string& text) {
  if (text == "all") return {RevivalBudget::kAll};
  if (text == "none") return {0};
  int64_t tokens = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), tokens);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size() || tokens < 0) {
    throw Error(ErrorCode::usage,
                fmt::format("--revive-budget {}: write a number of tokens, all or none", text));
  }
  return {tokens};
}

}  // namespace

void add_model_flags(CLI::App& command, CommonOptions& options) {
  command.add_option("-m,--model", options.model, "model file (.gguf) or Hugging Face folder")
      ->required();
  add_machine_flags(command, options);
}

void add_machine_flags(CLI::App& command, CommonOptions& options) {
  command.add_option("-t,--threads", options.threads, "threads (default: one per core)")
      ->check(CLI::Range(1, 1024));
  command.add_option("--isa", options.isa,
                     "force a kernel set: avx512-bf16, avx512-vnni, avx-vnni, avx2, generic");
}

void add_cache_type_flags(CLI::App& command, CommonOptions& options) {
  command.add_option("--cache-type-k", options.cache_type_k, "storage of keys: f16, f32, q8_0")
      ->capture_default_str();
  command.add_option("--cache-type-v", options.cache_type_v, "storage of values: f16, f32, q8_0")
      ->capture_default_str();
}

void add_session_flags(CLI::App& command, CommonOptions& options) {
  command.add_option(
      "-f,--file", options.files,
      "text file that goes before the prompt, - is the standard input; may be repeated");
  command.add_option("--system-prompt", options.system_prompt,
                     "system turn of the conversation (also -sys)");
  command
      .add_option("-c,--ctx-size", options.context,
                  "most tokens held (default: the model's context)")
      ->check(CLI::NonNegativeNumber);
  add_cache_type_flags(command, options);
  command.add_flag("--no-warmup", options.no_warmup,
                   "do not run a token through the model after loading");
  command.add_option("--color", options.color, "colour on terminals: auto, on, off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->expected(0, 1)
      ->default_str("auto");
}

void add_pruning_flags(CLI::App& command, CommonOptions& options) {
  const std::string group = "Pruning";
  command.add_option("--policy", options.policy, "dense, lazy, random, static, compress, tsp, gem")
      ->capture_default_str()
      ->group(group);
  add_schedule_flags(command, options);
}

void add_schedule_flags(CLI::App& command, CommonOptions& options) {
  const std::string group = "Pruning";
  command
      .add_option(
          "--prune", options.prune,
          "LAYER:KEEP,... (1-based layer after which to prune : share of the current set kept) "
          "or a preset: conservative, balanced, aggressive, paper")
      ->group(group);
  command
      .add_option("--protect-first", options.protect_first, "first prompt tokens that always stay")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  command.add_option("--protect-last", options.protect_last, "last prompt tokens that always stay")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  command
      .add_option("--revive-budget", options.revive_budget,
                  "tokens that may leave the Aux Cache in a one-token step: N, all, none")
      ->group(group);
  command.add_option("--min-prompt", options.min_prompt, "shorter prompts run dense")
      ->check(CLI::NonNegativeNumber)
      ->group(group);
  command
      .add_option("--score", options.score,
                  "importance score: last (the paper), window:W, ahead[:N], accumulate:N, peak:N, "
                  "heads:LAYER.HEAD=WEIGHT,...; the last three also with @W for a window")
      ->group(group);
  command
      .add_option("--score-pool", options.score_pool,
                  "mean over this many neighbours (of a peak: the highest, default 41); odd")
      ->check(CLI::PositiveNumber)
      ->group(group);
  command
      .add_option("--keep-mass", options.keep_mass,
                  "adaptive: keep only as many tokens as hold this share of the scores, at most "
                  "the schedule's share; 0: off")
      ->check(CLI::Range(0.0, 1.0))
      ->group(group);
}

void add_profile_flag(CLI::App& command, CommonOptions& options) {
  command
      .add_option(
          "--profile", options.profile,
          "settings that lazyllm tune found: a file, auto (looked for) or none; an explicit "
          "--prune goes before it")
      ->capture_default_str()
      ->group("Pruning");
}

void add_sampling_flags(CLI::App& command, CommonOptions& options) {
  const std::string group = "Sampling";
  SamplingOptions& s = options.sampling;
  command.add_option("-n,--predict", options.max_tokens, "most tokens to generate; -1: no limit")
      ->check(CLI::Range(int64_t{-1}, int64_t{1} << 40))
      ->capture_default_str()
      ->group(group);
  command.add_option("--temp", s.temperature, "temperature; 0 is greedy")
      ->capture_default_str()
      ->group(group);
  command.add_option("--top-k", s.top_k, "0: off")->capture_default_str()->group(group);
  command.add_option("--top-p", s.top_p, "1: off")->capture_default_str()->group(group);
  command.add_option("--min-p", s.min_p, "0: off")->capture_default_str()->group(group);
  command.add_option("--repeat-penalty", s.repeat_penalty, "1: off")
      ->capture_default_str()
      ->group(group);
  command.add_option("--repeat-last-n", s.repeat_last_n, "tokens the penalty looks back; -1: all")
      ->check(CLI::Range(-1, 1 << 30))
      ->capture_default_str()
      ->group(group);
  command.add_option("-s,--seed", options.seed, "of sampling and of policy random; -1: 0")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--stop,-r,--reverse-prompt", options.stop,
                  "string that ends the answer; may be repeated")
      ->group(group);
  command.add_flag("--ignore-eos", options.ignore_eos, "go on after the model ends its answer")
      ->group(group);
}

void require_known_policy(const std::string& name) {
  for (const PolicyInfo& info : policies()) {
    if (info.name == name) return;
  }
  throw Error(ErrorCode::usage, fmt::format("--policy {}: unknown; see lazyllm policies", name));
}

SessionOptions session_options(const CommonOptions& options) {
  SessionOptions session;
  session.context = options.context;
  session.cache_type_k = parse_cache_type("--cache-type-k", options.cache_type_k);
  session.cache_type_v = parse_cache_type("--cache-type-v", options.cache_type_v);
  PruningOptions& pruning = session.pruning;
  pruning.policy = options.policy;
  pruning.prune = options.prune;
  pruning.profile = options.profile;
  if (!options.score.empty()) pruning.score = options.score;
  if (options.keep_mass >= 0.0) pruning.keep_mass = options.keep_mass;
  if (options.score_pool > 0) pruning.score_pool = options.score_pool;
  if (options.protect_first >= 0) pruning.protect_first = options.protect_first;
  if (options.protect_last >= 0) pruning.protect_last = options.protect_last;
  if (!options.revive_budget.empty()) pruning.revive_budget = parse_budget(options.revive_budget);
  if (options.min_prompt >= 0) pruning.min_prompt = options.min_prompt;
  pruning.seed = static_cast<uint64_t>(options.seed < 0 ? 0 : options.seed);
  return session;
}

GenerationOptions generation_options(const CommonOptions& options) {
  GenerationOptions generation;
  generation.sampling = options.sampling;
  generation.sampling.seed = static_cast<uint64_t>(options.seed < 0 ? 0 : options.seed);
  generation.max_tokens = options.max_tokens;
  generation.stop = options.stop;
  generation.ignore_eos = options.ignore_eos;
  return generation;
}

std::shared_ptr<const Model> load_model(const CommonOptions& options, double* load_ms) {
  ProgressLine progress;
  ModelOptions model_options;
  model_options.threads = options.threads;
  model_options.isa = options.isa;
  if (!options.chat_template_file.empty()) {
    model_options.chat_template = read_document(options.chat_template_file);
  }
  model_options.on_message = [](const std::string& line) {
    fmt::print(stderr, "warning: {}\n", line);
  };
  model_options.on_progress = [&](int done, int layers) {
    progress.show("loading", static_cast<double>(done) / layers,
                  fmt::format("layer {}/{}", done, layers));
  };
  const auto start = std::chrono::steady_clock::now();
  std::shared_ptr<const Model> model = Model::load(options.model, model_options);
  if (!options.no_warmup) {
    // One token through the model: pages are touched and threads awake before anything is timed.
    Session session(model);
    const TokenId token[] = {0};
    session.logits(token, {}, {});
  }
  progress.clear();
  if (load_ms != nullptr) {
    *load_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  }
  return model;
}

void announce_profile(const SessionOptions& options, const Model& model) {
  const std::optional<Profile> profile = applied_profile(options.pruning, model);
  if (!profile) return;
  std::fputs(fmt::format("profile {} ({}, measured on {} prompts: predicted TTFT {:.2f}x, KL "
                         "{:.3f}, same top token {:.1f} %)\n",
                         profile->path.string(), profile->pruning.prune, profile->measured.prompts,
                         profile->measured.ttft_speedup, profile->measured.mean_kl,
                         100.0 * profile->measured.same_top)
                 .c_str(),
             stderr);
}

std::string compose_prompt(const CommonOptions& options) {
  std::string text;
  const auto append = [&](const std::string& part) {
    if (!options.no_chat && !text.empty() && !part.empty()) {
      while (!text.empty() && text.back() == '\n') text.pop_back();
      text += "\n\n";
    }
    text += part;
  };
  for (const std::string& path : options.files) {
    append(read_document(path));
  }
  append(decode_document(options.prompt, "the prompt given with -p"));
  if (text.empty()) {
    throw Error(ErrorCode::invalid_input, "the prompt is empty; give some text with -p or -f");
  }
  return text;
}

}  // namespace lazyllm::cli
