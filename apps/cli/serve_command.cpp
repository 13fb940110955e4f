// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <sstream>
#include <system_error>
#include <thread>

#include "commands.h"
#include "common_options.h"
#include "lazyllm/server.h"
#include "library_flags.h"
#include "signal_pipe.h"
#include "template_flags.h"
#include "terminal.h"
#include "this_cluster.h"

namespace lazyllm::cli {
namespace {

struct ServeOptions {
  CommonOptions common;
  ServerOptions server;
  LibraryFlags library;
  std::string api_key_file;
  double kv_memory_mib = 0.0;
  double cache_ram_mib = 512.0;
  std::string idle = "on";
  double max_body_mib = 8.0;
  double drain_seconds = 30.0;
  double keep_alive_seconds = 10.0;
  bool no_page = false;
  bool no_autoload = false;
  std::string reasoning = "auto";
  std::string pooling = "auto";
  std::vector<std::string> rerank_heads;
  bool verbose = false;
};

/// One key a line; empty lines and those that begin with # do not count.
std::vector<std::string> read_keys(const std::string& path) {
  std::vector<std::string> keys;
  std::istringstream file(read_document(path));
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line[0] != '#') keys.push_back(line);
  }
  if (keys.empty()) {
    throw Error(ErrorCode::usage,
                fmt::format("--api-key-file {}: holds no key; write one a line", path));
  }
  return keys;
}

bool is_loopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

std::string name_of(const std::string& model_path) {
  const auto path = std::filesystem::path(model_path).lexically_normal();
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  return name.extension() == ".gguf" ? name.stem().string() : name.string();
}

uint64_t bytes_of(double mib) {
  return static_cast<uint64_t>(mib * (1 << 20));
}

/// Of the flags and of the file as it is now.
std::vector<std::string> all_keys(const ServeOptions& given) {
  std::vector<std::string> keys = given.server.api_keys;
  if (!given.api_key_file.empty()) {
    for (std::string& key : read_keys(given.api_key_file)) keys.push_back(std::move(key));
  }
  return keys;
}

/// --slot-save-path is a folder for snapshots, too: it stands for the library unless both are
/// named.
std::shared_ptr<Library> library_of(const ServeOptions& given) {
  const std::string& library = given.library.library;
  if (given.server.scheduler.cache_folder.empty()) return open_library(given.library);
  if (!library.empty() && library != "none") {
    throw Error(ErrorCode::usage,
                "--slot-save-path and --library both keep snapshots over a restart; name one");
  }
  return nullptr;
}

/// "LAYER.HEAD", as scores name them. Whether the model has them is seen when it is asked.
std::vector<AttentionHead> parse_heads(const std::vector<std::string>& texts) {
  std::vector<AttentionHead> heads;
  for (const std::string& text : texts) {
    AttentionHead head;
    char rest = 0;
    // NOLINTNEXTLINE(cert-err34-c): that all was read is checked
    if (std::sscanf(text.c_str(), "%5d.%5d%c", &head.layer, &head.head, &rest) != 2 ||
        head.layer < 1 || head.head < 1) {
      throw Error(ErrorCode::usage,
                  fmt::format("--rerank-heads: a head is LAYER.HEAD, from 1 on, not {}", text));
    }
    heads.push_back(head);
  }
  return heads;
}

ServerOptions server_options(const ServeOptions& given) {
  const SessionOptions session = session_options(given.common);
  ServerOptions options = given.server;
  options.api_keys = all_keys(given);
  if (!options.models_dir.empty()) {
    if (!given.common.model.empty() || !given.common.hub_model.empty() ||
        !options.model_name.empty()) {
      throw Error(ErrorCode::usage,
                  "--models-dir names all models; leave -m, --hf-repo and --alias out");
    }
    options.model_name = options.models_dir.string();
  }
  options.models_autoload = !given.no_autoload;
  if (options.model_name.empty()) {
    options.model_name =
        name_of(given.common.model.empty() ? given.common.hub_model : given.common.model);
  }
  options.page = !given.no_page;
  options.ping_interval =
      std::chrono::milliseconds(static_cast<int64_t>(given.keep_alive_seconds * 1e3));
  options.max_body_bytes = bytes_of(given.max_body_mib);
  options.scheduler.context = session.context;
  options.scheduler.cache_type_k = session.cache_type_k;
  options.scheduler.cache_type_v = session.cache_type_v;
  options.scheduler.kv_bytes = bytes_of(given.kv_memory_mib);
  options.scheduler.cache_bytes = bytes_of(given.cache_ram_mib);
  options.scheduler.deepen_when_idle = given.idle == "on";
  options.pruning = session.pruning;
  options.generation = generation_options(given.common);
  options.random_seed = given.common.seed < 0;
  options.scheduler.library = library_of(given);
  if (given.pooling == "mean") options.pooling = Pooling::mean;
  if (given.pooling == "last") options.pooling = Pooling::last;
  options.embeds_tokens = given.pooling == "none";
  options.rerank_heads = parse_heads(given.rerank_heads);
  options.reasoning = given.reasoning != "off";
  options.verbose = given.verbose;
  return options;
}

void say(const std::string& text) {
  std::fputs((text + "\n").c_str(), stderr);
}

/// SIGHUP: logs were rotated or keys changed. What cannot be read leaves everything as it was.
void reload(Server& server, const ServeOptions& given) {
  try {
    server.open_log();
    server.set_api_keys(all_keys(given));
    server.reload_certificate();
    say(given.server.certificate_file.empty()
            ? "lazyllm: the keys are read and the log is opened again"
            : "lazyllm: the keys are read and the log is opened again; new connections see the "
              "certificate as it is now");
  } catch (const Error& error) {
    say(fmt::format("lazyllm: not reloaded: {}", error.what()));
  }
}

void warn_of_template(const Model& model) {
  if (!model.has_tokenizer() || model.has_chat_template()) return;
  say(model.chat_template().empty()
          ? "warning: the model has no chat template; conversations take ChatML's form. "
            "--chat-template gives another"
          : "warning: the model's chat template cannot be read; chats are refused. Give another "
            "with --chat-template");
}

void serve(const ServeOptions& given) {
  require_known_policy(given.common.policy);
  if (!given.server.models_dir.empty()) refuse_with_ranks("--models-dir");
  const ServerOptions options = server_options(given);
  Server server(options);  // the port first: a model takes longer to load than to find it in use
  if (!is_loopback(options.host) && options.api_keys.empty()) {
    say(
        fmt::format("warning: {} can be reached from elsewhere and there is no key; everybody may "
                    "ask. Set --api-key-file, or leave --host out",
                    options.host));
  }
  if (options.models_dir.empty()) {
    const std::shared_ptr<const Model> model = load_model(given.common);
    announce_settings(session_options(given.common), *model);
    warn_of_template(*model);
    server.serve(model);
  } else {
    server.serve_folder([&given](const std::filesystem::path& path) {
      ModelFlags flags = given.common;
      flags.model = path.string();
      std::shared_ptr<const Model> model = load_model(flags);
      warn_of_template(*model);
      return model;
    });
  }
  catch_signals();  // only now: loading cannot be broken off, so a signal ends the program then
  const std::string host =
      options.host.find(':') == std::string::npos ? options.host : "[" + options.host + "]";
  const char* const scheme = options.certificate_file.empty() ? "http" : "https";
  say(fmt::format("lazyllm: {} is ready at {}://{}:{}", options.model_name, scheme, host,
                  server.port()));

  while (wait_for_signal() == SIGHUP) reload(server, given);
  say(fmt::format("lazyllm: stopping; answers in work have {:g} s, a second signal ends them now",
                  given.drain_seconds));
  try {
    std::thread impatient([] {
      while (wait_for_signal() == SIGHUP) {
      }
      std::_Exit(130);
    });
    impatient.detach();
  } catch (const std::system_error&) {  // no thread left: the answers have their time, as announced
  }
  server.stop(std::chrono::milliseconds(static_cast<int64_t>(given.drain_seconds * 1e3)));
}

}  // namespace

void add_serve_command(CLI::App& app) {
  auto options = std::make_shared<ServeOptions>();
  CommonOptions& common = options->common;
  ServerOptions& server = options->server;
  common.profile = "auto";
  CLI::App* command =
      app.add_subcommand("serve", "answer over HTTP as OpenAI's API does, with a page at /");
  add_model_flags(*command, common);
  command->add_option("--host", server.host, "address to listen on")->capture_default_str();
  command->add_option("--port", server.port, "0: any that is free")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  command->add_option("-a,--alias", server.model_name,
                      "the model's name in answers (default: its file's)");
  command->add_option("--models-dir", server.models_dir,
                      "instead of -m: a folder of models, loaded as requests name them");
  command
      ->add_option("--models-max", server.models_max,
                   "models of --models-dir loaded at a time; 0: as many as memory takes")
      ->check(CLI::Range(0, 1000))
      ->capture_default_str();
  command->add_flag("--no-models-autoload", options->no_autoload,
                    "load models of --models-dir by POST /models/load only");
  command->add_flag("--strict-model", server.strict_model,
                    "refuse requests that name another model (with --models-dir: that name none)");
  command
      ->add_option("-c,--ctx-size", common.context,
                   "most tokens of an answer with its prompt (default: the model's context)")
      ->check(CLI::NonNegativeNumber);
  command
      ->add_option("--parallel", server.scheduler.parallel, "answers in work at a time (also -np)")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--max-queue", server.scheduler.max_queue, "requests that may wait")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  const std::string memory = "Memory";
  command
      ->add_option(
          "--kv-memory", options->kv_memory_mib,
          "MiB of keys, values and hidden rows of all answers (default: parallel x context)")
      ->check(CLI::NonNegativeNumber)
      ->group(memory);
  command
      ->add_option("--cache-ram", options->cache_ram_mib,
                   "MiB of snapshots of prompts; 0: none (also -cram)")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str()
      ->group(memory);
  command
      ->add_option("--slot-save-path", server.scheduler.cache_folder,
                   "folder that keeps the snapshots over a restart, instead of the library")
      ->group(memory);
  command
      ->add_option("--idle", options->idle,
                   "on: while nobody waits, read on in documents that were read in part, so that "
                   "further questions about them are answered sooner")
      ->check(CLI::IsMember({"on", "off"}))
      ->capture_default_str()
      ->group(memory);
  command
      ->add_option("--stable-head", server.stable_head,
                   "expression (PCRE2) for what may stay as it was at the head of a conversation, "
                   "such as an agent's date; the answer tells what stayed")
      ->type_name("REGEX")
      ->group(memory);
  add_library_flags(*command, options->library);
  add_cache_type_flags(*command, common);
  const std::string access = "Access";
  command->add_option("--api-key", server.api_keys, "key that requests must bring; may be repeated")
      ->envname("LAZYLLM_API_KEY")
      ->group(access);
  command->add_option("--api-key-file", options->api_key_file, "file of keys, one a line")
      ->group(access);
  command
      ->add_option("--ssl-cert-file", server.certificate_file,
                   "certificate for HTTPS, with the chain behind it (PEM); with --ssl-key-file")
      ->group(access);
  command->add_option("--ssl-key-file", server.key_file, "the certificate's private key (PEM)")
      ->group(access);
  command
      ->add_option("--cors-origin", server.cors_origins,
                   "origins whose pages may ask too, separated by commas, or *")
      ->delimiter(',')
      ->group(access);
  command
      ->add_option("--allowed-hosts", server.allowed_hosts,
                   "further names by which clients may reach a server on this machine, separated "
                   "by commas")
      ->delimiter(',')
      ->group(access);
  const std::string log = "Log";
  command->add_option("--log-file", server.log_file, "where requests are logged (default: stderr)")
      ->group(log);
  command->add_option("--log-format", server.log_format, "text (name=value) or json")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str()
      ->group(log);
  command->add_flag("--no-ui", options->no_page, "no page at /")->group(access);
  command->add_option("--max-body", options->max_body_mib, "MiB of a request's body")
      ->check(CLI::Range(0.001, 1024.0))
      ->capture_default_str()
      ->group(access);
  command
      ->add_option("--threads-http", server.http_threads,
                   "requests answered at a time (default: parallel + max-queue + 64)")
      ->check(CLI::Range(1, 10000))
      ->group(access);
  command
      ->add_option("--keep-alive-seconds", options->keep_alive_seconds,
                   "longest silence towards a client that waits for an answer")
      ->check(CLI::Range(0.05, 3600.0))
      ->capture_default_str();
  command
      ->add_option("--drain-seconds", options->drain_seconds,
                   "time for running answers when the server stops")
      ->check(CLI::Range(0.0, 86400.0))
      ->capture_default_str();
  add_template_flags(*command, common);
  command
      ->add_option("--reasoning", options->reasoning,
                   "whether models think before they answer, where their template has the choice; "
                   "auto: they do")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command
      ->add_option("--pooling", options->pooling,
                   "how a text's tokens become its embedding: mean of all, last one; none: one for "
                   "each token (/embeddings only); auto: as the model's file says, or mean")
      ->check(CLI::IsMember({"auto", "mean", "last", "none"}))
      ->capture_default_str();
  command
      ->add_option("--rerank-heads", options->rerank_heads,
                   "heads whose attention ranks documents (/v1/rerank), LAYER.HEAD,...; those of "
                   "bench/rerank_quality.py (default: all)")
      ->delimiter(',');
  command->add_flag("--verbose", options->verbose,
                    "answers tell the prompt that the model got (__verbose)");
  command->add_flag("--no-warmup", common.no_warmup,
                    "do not run a token through the model after loading");
  add_pruning_flags(*command, common);
  add_profile_flag(*command, common);
  add_sampling_flags(*command, common);
  command->footer(
      "Flags of pruning and sampling hold for requests that say nothing else.\n"
      "Examples:\n"
      "  lazyllm serve -m model.gguf\n"
      "  lazyllm serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt --parallel 8\n"
      "  curl http://127.0.0.1:8080/v1/chat/completions -d '{\"messages\": [{\"role\": \"user\", "
      "\"content\": \"Hello\"}]}'");
  command->callback([options] { serve(*options); });
}

}  // namespace lazyllm::cli
