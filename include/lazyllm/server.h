// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lazyllm/scheduler.h"

namespace lazyllm {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;         ///< 0: any that is free
  std::string model_name;  ///< as answers write it
  /// Instead of one model: a folder of them, loaded as requests name them.
  std::filesystem::path models_dir;
  int models_max = 4;                      ///< loaded at a time; 0: as many as memory takes
  bool models_autoload = true;             ///< false: only POST /models/load loads
  bool strict_model = false;               ///< requests that name another model are refused
  std::string certificate_file, key_file;  ///< PEM files for HTTPS; none: plain HTTP
  std::vector<std::string> api_keys;       ///< none: everybody may ask
  /// Whose pages may ask too; "*": all; "http://localhost": those of all its ports.
  std::vector<std::string> cors_origins;
  /// Names under which clients may reach a server that listens to this machine only, beside this
  /// machine's own (a page can point its own name here); "*": all.
  std::vector<std::string> allowed_hosts;
  std::string log_file;             ///< empty: stderr
  std::string log_format = "text";  ///< or "json"
  bool page = true;                 ///< serve the page at /
  int http_threads =
      0;  ///< requests answered at a time; 0: enough for all slots, the queue and more
  uint64_t max_body_bytes = 8 * 1024 * 1024;
  std::chrono::milliseconds head_timeout{10000}, body_timeout{60000};
  std::chrono::milliseconds ping_interval{10000};  ///< of comments in a silent stream
  SchedulerOptions scheduler;
  PruningOptions pruning;                   ///< of requests that say nothing
  Pooling pooling = Pooling::none;          ///< of embeddings; none: the model's own, or mean
  bool embeds_tokens = false;               ///< embeddings are of each token
  std::vector<AttentionHead> rerank_heads;  ///< whose attention ranks documents; none: all
  GenerationOptions generation;             ///< of requests that say nothing
  bool random_seed = true;  ///< of requests that give none; false: the one in `generation`
  /// Whether templates that know the variable enable_thinking make the model think, for requests
  /// that say nothing.
  bool reasoning = true;
  /// Expression for what may stay as it was at the head of a conversation; empty: none. The answer
  /// tells what stayed.
  std::string stable_head = {};
  bool verbose = false;  ///< chats and completions tell the prompt that the model got
};

/// An HTTP server that speaks OpenAI's protocol. Functions are thread-safe.
/// Lives in a library of its own, lazyllm::server, which is not installed.
class Server {
 public:
  /// Listens at once; until there is a model, every request is answered with status 503.
  /// Errors: Error(io) if the port is not to be had, Error(usage).
  explicit Server(const ServerOptions& options);
  /// stop() without time for the running answers.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Starts to answer. Once. Errors: those of Scheduler.
  void serve(std::shared_ptr<const Model> model);
  /// Instead of serve(): answers with the models of the options' folder, which `load` loads. Once.
  /// Errors: Error(usage) if there is no such folder.
  using LoadModel = std::function<std::shared_ptr<const Model>(const std::filesystem::path& path)>;
  void serve_folder(LoadModel load);
  int port() const;
  /// Instead of those of the options, from the next request on; none: everybody may ask.
  void set_api_keys(const std::vector<std::string>& keys);
  /// Reads the certificate and its key again. Errors: Error(io | usage); the old ones go on.
  void reload_certificate();
  /// Opens the log's file anew, after it was moved away. Errors: Error(io); the old one goes on.
  void open_log();
  /// Takes no more requests, lets the running answers end for at most `limit`, cuts the rest.
  void stop(std::chrono::milliseconds limit);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
