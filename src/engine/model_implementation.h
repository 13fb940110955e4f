// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "distributed/rank_group.h"
#include "formats/model_file.h"
#include "grammar/schema_cache.h"
#include "grammar/token_table.h"
#include "kernels/backend.h"
#include "lazyllm/model.h"
#include "model/transformer.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace lazyllm {

struct Model::Implementation {
  std::shared_ptr<const formats::ModelFile> file;
  std::unique_ptr<kernels::Backend> backend;
  std::optional<model::Hyperparameters> hyperparameters;  // absent for vocabulary-only files
  std::shared_ptr<Cluster> cluster;                       // null: one process has all layers
  std::unique_ptr<const distributed::RankGroup> ranks;    // with a cluster
  std::unique_ptr<const model::Transformer> transformer;  // absent without weights
  std::unique_ptr<const text::Tokenizer> tokenizer;       // absent without a vocabulary
  std::string chat_template_source;
  /// Absent without a source, or when it does not parse.
  std::optional<text::ChatTemplate> chat_template;
  /// Of its own for conversations with tools, where the file has one.
  std::string tool_template_source;
  std::optional<text::ChatTemplate> tool_template;

  const text::Tokenizer& require_tokenizer() const;
  /// Errors: Error(unsupported) without one; Error(invalid_file) for one that does not parse.
  const text::ChatTemplate& require_chat_template(bool with_tools = false) const;
  /// The source of the same.
  std::string_view chat_source(bool with_tools) const;
  const model::Transformer& require_transformer() const;
  /// The vocabulary as constrained decoding needs it, sorted when first asked for. Thread-safe.
  std::shared_ptr<const grammar::TokenTable> require_token_table() const;
  /// Schemas compiled for its vocabulary.
  grammar::SchemaCache& schema_cache() const { return schema_cache_; }

 private:
  mutable std::mutex token_table_mutex_;
  mutable std::shared_ptr<const grammar::TokenTable> token_table_;
  mutable grammar::SchemaCache schema_cache_;
};

}  // namespace lazyllm
