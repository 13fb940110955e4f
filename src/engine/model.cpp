// SPDX-License-Identifier: Apache-2.0
#include "lazyllm/model.h"

#include "base/error.h"
#include "engine/model_implementation.h"
#include "engine/split_model.h"
#include "engine/vocabulary_loader.h"
#include "lazyllm/version.h"
#include "model/architecture.h"
#include "text/named_templates.h"

namespace lazyllm {
namespace {

std::string describe_tokenizer(const text::Tokenizer* tokenizer) {
  if (tokenizer == nullptr) return "none";
  if (tokenizer->vocabulary().kind == text::Vocabulary::Kind::spm) return "spm";
  return "bpe (" + tokenizer->vocabulary().pre + ")";
}

/// A Jinja source, or the name of a template that is known.
std::string given_template(const std::string& given) {
  if (const auto named = text::named_template(given); !named.empty()) return std::string(named);
  if (given.find_first_of("{ \n") != std::string::npos) return given;
  fail(ErrorCode::usage, "there is no chat template \"{}\"; there are {}", given,
       fmt::join(text::named_template_names(), ", "));
}

/// A file's template that does not parse concerns only who wants to chat.
std::optional<text::ChatTemplate> parsed_template(const std::string& source) {
  if (source.empty()) return std::nullopt;
  try {
    return text::ChatTemplate(source);
  } catch (const Error&) {
    return std::nullopt;
  }
}

void load_templates(Model::Implementation& implementation, const ModelOptions& options) {
  if (!options.chat_template.empty()) {
    implementation.chat_template_source = given_template(options.chat_template);
    implementation.chat_template.emplace(implementation.chat_template_source);
    return;
  }
  const formats::ModelFile& file = *implementation.file;
  implementation.chat_template_source = engine::load_chat_template(file);
  implementation.chat_template = parsed_template(implementation.chat_template_source);
  implementation.tool_template_source = engine::load_tool_template(file);
  implementation.tool_template = parsed_template(implementation.tool_template_source);
}

std::unique_ptr<Model::Implementation> open(const std::filesystem::path& path,
                                            const ModelOptions& options) {
  auto implementation = std::make_unique<Model::Implementation>();
  implementation->backend = kernels::create_cpu_backend(options.isa, options.threads);
  implementation->file = formats::open_model_file(path);
  const formats::ModelFile& file = *implementation->file;
  if (options.on_message) {
    for (const std::string& line : file.warnings()) options.on_message(line);
  }
  if (auto vocabulary = engine::load_vocabulary(file)) {
    implementation->tokenizer = text::Tokenizer::create(std::move(*vocabulary));
  }
  load_templates(*implementation, options);
  return implementation;
}

void check_vocabulary_size(const Model::Implementation& implementation) {
  if (implementation.tokenizer == nullptr) return;
  const int64_t rows = implementation.hyperparameters->vocabulary_size;
  if (implementation.tokenizer->size() > rows) {
    fail(ErrorCode::invalid_file,
         "{}: the tokenizer has {} tokens but the embedding only {} rows; convert the model again",
         implementation.file->path().string(), implementation.tokenizer->size(), rows);
  }
}

}  // namespace

const text::Tokenizer& Model::Implementation::require_tokenizer() const {
  if (tokenizer == nullptr) {
    fail(ErrorCode::unsupported,
         "{} has no tokenizer inside, so it cannot read or write text; "
         "use a file with a vocabulary",
         file->path().string());
  }
  return *tokenizer;
}

std::string_view Model::Implementation::chat_source(bool with_tools) const {
  if (with_tools && !tool_template_source.empty()) return tool_template_source;
  return chat_template_source;
}

const text::ChatTemplate& Model::Implementation::require_chat_template(bool with_tools) const {
  const bool own = with_tools && !tool_template_source.empty();
  const std::optional<text::ChatTemplate>& found = own ? tool_template : chat_template;
  if (found) return *found;
  if (chat_source(with_tools).empty()) {
    fail(ErrorCode::unsupported,
         "{} has no chat template inside; name one with --chat-template (chatml and others), or "
         "give the bare prompt with --no-chat",
         file->path().string());
  }
  try {
    const text::ChatTemplate fails{std::string(chat_source(with_tools))};
  } catch (const Error& error) {
    fail(ErrorCode::invalid_file,
         "{}: {}; give another with --chat-template, or the bare prompt with --no-chat",
         file->path().string(), error.what());
  }
  fail(ErrorCode::internal, "{}: the chat template parses now", file->path().string());
}

const model::Transformer& Model::Implementation::require_transformer() const {
  if (transformer == nullptr) {
    fail(ErrorCode::unsupported, "{} was opened without weights and cannot compute",
         file->path().string());
  }
  return *transformer;
}

std::shared_ptr<const grammar::TokenTable> Model::Implementation::require_token_table() const {
  const std::lock_guard lock(token_table_mutex_);
  if (token_table_ == nullptr) {
    token_table_ = std::make_shared<const grammar::TokenTable>(require_tokenizer());
  }
  return token_table_;
}

Model::Model(std::unique_ptr<Implementation> implementation)
    : implementation_(std::move(implementation)) {}
Model::~Model() = default;

std::shared_ptr<const Model> Model::load(const std::filesystem::path& path,
                                         const ModelOptions& options) {
  auto implementation = open(path, options);
  const formats::ModelFile& file = *implementation->file;
  if (file.tensors().empty()) {
    fail(ErrorCode::unsupported,
         "{} holds a vocabulary but no weights; it can only be used to tokenise", path.string());
  }
  implementation->hyperparameters = model::describe(file);
  check_vocabulary_size(*implementation);
  if (options.cluster != nullptr) {
    engine::load_split(*implementation, options);
    return std::shared_ptr<const Model>(new Model(std::move(implementation)));
  }
  model::Weights weights = model::load_weights(file, *implementation->hyperparameters,
                                               *implementation->backend, options.on_progress);
  implementation->transformer = std::make_unique<const model::Transformer>(
      *implementation->hyperparameters, std::move(weights), *implementation->backend);
  return std::shared_ptr<const Model>(new Model(std::move(implementation)));
}

std::shared_ptr<const Model> Model::load_without_weights(const std::filesystem::path& path,
                                                         const ModelOptions& options) {
  auto implementation = open(path, options);
  if (!implementation->file->tensors().empty()) {
    implementation->hyperparameters = model::describe(*implementation->file);
  }
  return std::shared_ptr<const Model>(new Model(std::move(implementation)));
}

namespace {

/// GGUF writes llama.cpp's number. One that nobody knows matters to embeddings only.
std::string pooling_of(const formats::ModelFile& file) {
  constexpr std::array kNames = {"", "mean", "cls", "last", "rank"};
  const std::string key = file.text("general.architecture", "") + ".pooling_type";
  const auto number = static_cast<size_t>(file.integer(key, 0, INT32_MAX, 0));
  return number < kNames.size() ? kNames[number] : "unknown";
}

}  // namespace

ModelInfo Model::info() const {
  const formats::ModelFile& file = *implementation_->file;
  ModelInfo info;
  info.path = file.path().string();
  info.container = file.container() == formats::Container::gguf ? "GGUF" : "Hugging Face folder";
  info.architecture = file.text("general.architecture", "");
  info.name = file.text("general.name", "");
  info.file_bytes = file.file_bytes();
  if (implementation_->transformer != nullptr)
    info.weight_bytes = implementation_->transformer->weights().bytes();
  for (const formats::TensorView& tensor : file.tensors()) {
    const std::string type(traits(tensor.type).name);
    info.parameters += static_cast<uint64_t>(tensor.elements());
    ++info.tensor_types[type];
    info.kernels.try_emplace(type, implementation_->backend->describe_kernel(tensor.type));
  }
  if (const auto& h = implementation_->hyperparameters) {
    info.context_length = h->context_length;
    info.vocabulary_size = h->vocabulary_size;
    info.layers = h->layers;
    info.kv_layers = h->kv_layers();
    info.hidden_size = h->hidden_size;
    info.intermediate_size = h->intermediate_size;
    info.experts = h->experts.count;
    info.experts_used = h->experts.used;
    info.expert_size = h->experts.intermediate_size;
    info.heads = h->heads;
    info.kv_heads = h->kv_heads;
    info.head_dim = h->head_dim;
    for (int l = 0; l < h->kv_layers(); ++l) {
      (h->convolves(l) ? info.convolution_values : info.kv_values) += h->kv_size(l);
      if (h->full_attention(l)) info.kv_heads = h->kv_heads_of(l);
    }
    for (const model::LayerParameters& layer : h->layer) {
      info.sliding_windows.push_back(layer.sliding_window);
      info.convolutions.push_back(layer.convolution);
    }
  } else if (implementation_->tokenizer != nullptr) {
    info.vocabulary_size = implementation_->tokenizer->size();
  }
  info.pooling = pooling_of(file);
  info.tokenizer = describe_tokenizer(implementation_->tokenizer.get());
  info.has_chat_template = has_chat_template();
  info.chat_template_has_tools =
      implementation_->chat_source(true).find("tools") != std::string_view::npos;
  info.threads = implementation_->backend->threads();
  info.isa = implementation_->backend->isa();
  return info;
}

std::string ModelInfo::describe_layers() const {
  if (layers == kv_layers) return std::to_string(layers);
  return fmt::format("{}, the last {} read keys and values of earlier ones", layers,
                     layers - kv_layers);
}

uint64_t ModelInfo::kv_bytes_per_token(CacheType k, CacheType v) const {
  const auto row = [&](CacheType type) {
    return kernels::cache_row_bytes(static_cast<kernels::CacheType>(type),
                                    static_cast<int>(kv_values));
  };
  return row(k) + row(v) + static_cast<uint64_t>(convolution_values) * sizeof(float);
}

bool Model::has_tokenizer() const {
  return implementation_->tokenizer != nullptr;
}

std::vector<TokenId> Model::tokenize(std::string_view text, bool add_special,
                                     bool parse_special) const {
  return implementation_->require_tokenizer().encode(text, add_special, parse_special);
}

std::string Model::detokenize(std::span<const TokenId> tokens, bool special) const {
  implementation_->require_tokenizer().check(tokens);
  return implementation_->require_tokenizer().decode(tokens, special);
}

std::string Model::piece(TokenId token, bool special) const {
  implementation_->require_tokenizer().check({&token, 1});
  return implementation_->require_tokenizer().piece(token, special);
}

bool Model::is_end_of_generation(TokenId token) const {
  return implementation_->tokenizer != nullptr &&
         implementation_->tokenizer->is_end_of_generation(token);
}

std::string version() {
  return LAZYLLM_VERSION;
}
std::vector<std::string> available_isas() {
  return kernels::available_isas();
}

}  // namespace lazyllm
