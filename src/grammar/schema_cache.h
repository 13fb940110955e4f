// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>

#include "grammar/grammar.h"
#include "grammar/string_masks.h"

namespace lazyllm::grammar {

/// A schema with what its answers share.
struct CompiledSchema {
  std::shared_ptr<const Grammar> grammar;
  std::shared_ptr<StringMasks> masks;
};

/// Schemas compiled for one vocabulary: each is compiled once while it stays in use. Thread-safe.
class SchemaCache {
 public:
  static constexpr size_t kMostSchemas = 32;
  /// Of the schemas' texts and grammars, about.
  static constexpr size_t kMostBytes = size_t{64} << 20;

  /// Compiles the schema, unless it is there. Who asks for one that is being compiled waits for
  /// it; nobody else does.
  /// Errors: those of compile_schema; what was refused is not kept.
  CompiledSchema get(const std::shared_ptr<const TokenTable>& table, std::string_view schema_json,
                     const std::stop_token& stop = {});
  size_t size() const;

 private:
  struct Entry {
    std::string text;
    CompiledSchema schema;
    size_t bytes = 0;
  };
  const Entry* find(std::string_view schema_json);
  void keep(Entry entry);

  mutable std::mutex mutex_;
  std::condition_variable_any compiled_;
  std::set<std::string, std::less<>> in_work_;  ///< texts being compiled
  std::list<Entry> entries_;                    ///< the last used first
  size_t bytes_ = 0;
};

}  // namespace lazyllm::grammar
