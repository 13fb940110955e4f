// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lazyllm/error.h"
#include "lazyllm/machine.h"
#include "lazyllm/options.h"

namespace lazyllm {

using TokenId = int32_t;

/// A call of a function that the assistant asked for.
struct ToolCall {
  std::string id;
  std::string name;
  std::string arguments;  ///< a JSON object as text
};

struct ChatMessage {
  std::string role;  ///< "system", "user", "assistant", "tool", or what else the template knows
  std::string content;
  std::vector<ToolCall> tool_calls = {};  ///< of an assistant
  std::string tool_call_id = {};          ///< of a tool's answer
  std::string name = {};
};

struct ChatOptions {
  bool add_generation_prompt = true;
  std::string tools = {};      ///< OpenAI's list "tools" as JSON text; empty: none
  std::string variables = {};  ///< further variables of the template, a JSON object as text
};

/// A conversation ready for the model.
struct ChatPrompt {
  std::vector<TokenId> tokens;
  /// What no policy should prune: what the template itself wrote, roles, the turns of tools with
  /// the calls they answer, the first 1,024 tokens of each system turn. Rising, disjoint.
  std::vector<TokenRange> protected_ranges;
};

/// What a model is, in numbers.
struct ModelInfo {
  std::string path;
  std::string container;  ///< "GGUF" or "Hugging Face folder"
  std::string architecture;
  std::string name;
  uint64_t file_bytes = 0;
  uint64_t weight_bytes = 0;  ///< of the matrices as the kernels hold them; 0 without weights
  uint64_t parameters = 0;
  std::map<std::string, int> tensor_types;     ///< storage type -> number of tensors
  std::map<std::string, std::string> kernels;  ///< storage type -> what computes with it here
  int64_t context_length = 0;
  int64_t vocabulary_size = 0;
  int layers = 0, hidden_size = 0, intermediate_size = 0;
  /// Layers with keys and values of their own, through which tokens are carried (depths,
  /// schedules); those behind read theirs, and a prefill needs them for rows with results only.
  int kv_layers = 0;
  int experts = 0, experts_used = 0, expert_size = 0;  ///< of a mixture, per layer and token; or 0
  int heads = 0, kv_heads = 0, head_dim = 0;  ///< the last two of full layers, if they differ
  int64_t kv_values = 0;                      ///< of the keys of one token in all layers
  int64_t convolution_values = 0;    ///< float32 values that all short convolutions keep of a token
  std::vector<int> sliding_windows;  ///< per layer; 0: full attention, or none
  std::vector<int> convolutions;     ///< per layer: tokens under a short convolution; 0: attention
  /// What embeddings the model was made for: "mean", "last", another word; empty: the file says
  /// nothing.
  std::string pooling;
  std::string tokenizer;  ///< "bpe (smollm)", "spm", "none"
  bool has_chat_template = false;
  bool chat_template_has_tools = false;  ///< it mentions tools
  int threads = 0;
  std::string isa;

  /// "35, the last 20 read keys and values of earlier ones".
  std::string describe_layers() const;
  /// Keys and values of one token in all layers, with the given storage.
  uint64_t kv_bytes_per_token(CacheType k, CacheType v) const;
};

/// A model file or folder with its weights ready for the kernels. Immutable; may be
/// shared by any number of sessions, though ops of sessions on one model are
/// served one after another by the model's threads.
class Model {
 public:
  /// Opens a .gguf file or a Hugging Face folder.
  /// Errors: Error(io | invalid_file | unsupported | usage).
  static std::shared_ptr<const Model> load(const std::filesystem::path& path,
                                           const ModelOptions& options = {});
  /// Text and metadata only: for tokenising and for `info`. Vocabulary-only files load.
  static std::shared_ptr<const Model> load_without_weights(const std::filesystem::path& path,
                                                           const ModelOptions& options = {});
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  ModelInfo info() const;

  /// Arithmetic of a prefill from an empty session in which layer l carries tokens_per_layer[l]
  /// tokens (Statistics::kept_per_layer). With `looked_at_per_layer`, tokens whose keys and values
  /// in that layer a score "ahead" makes beside it. Errors: Error(usage) if these are not one
  /// number a layer.
  PrefillWork prefill_work(std::span<const int64_t> tokens_per_layer,
                           std::span<const int64_t> looked_at_per_layer = {}) const;

  // --- text; these throw Error(unsupported) for a file without a tokenizer ---
  bool has_tokenizer() const;
  std::vector<TokenId> tokenize(std::string_view text, bool add_special = true,
                                bool parse_special = false) const;
  std::string detokenize(std::span<const TokenId> tokens, bool special = false) const;
  std::string piece(TokenId token, bool special = false) const;
  bool is_end_of_generation(TokenId token) const;

  bool has_chat_template() const;
  /// The conversation through the model's chat template, as tokens. Only text of the
  /// template becomes special tokens, never text of a message.
  /// Errors: Error(unsupported) without a template; Error(invalid_input) when the template refuses.
  std::vector<TokenId> apply_chat_template(std::span<const ChatMessage> messages,
                                           const ChatOptions& options = {}) const;
  /// The same with what is worth protecting.
  ChatPrompt chat_prompt(std::span<const ChatMessage> messages,
                         const ChatOptions& options = {}) const;
  /// The same as text.
  std::string render_chat_template(std::span<const ChatMessage> messages,
                                   const ChatOptions& options = {}) const;
  const std::string& chat_template() const;  ///< its source; empty without one

  struct Implementation;
  const Implementation& implementation() const { return *implementation_; }

 private:
  explicit Model(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace lazyllm
