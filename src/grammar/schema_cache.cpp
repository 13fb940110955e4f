// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_cache.h"

#include <algorithm>

#include "grammar/pattern.h"
#include "grammar/schema_compiler.h"

namespace lazyllm::grammar {
namespace {

/// Bytes of a grammar, about.
size_t bytes_of(const Grammar& grammar) {
  constexpr size_t kPerPart = 200;
  size_t bytes = kPerPart * (grammar.nodes.size() + grammar.slots.size());
  for (const CharacterAutomaton& automaton : grammar.automata) bytes += automaton.bytes();
  return bytes;
}

}  // namespace

const SchemaCache::Entry* SchemaCache::find(std::string_view schema_json) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& entry) { return entry.text == schema_json; });
  if (found == entries_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found);
  return &entries_.front();
}

CompiledSchema SchemaCache::get(const std::shared_ptr<const TokenTable>& table,
                                std::string_view schema_json, const std::stop_token& stop) {
  Entry entry;
  entry.text = schema_json;
  {
    std::unique_lock lock(mutex_);
    const auto free = [&] { return !in_work_.contains(schema_json); };
    if (!compiled_.wait(lock, stop, free)) fail_stopped();
    if (const Entry* found = find(schema_json)) return found->schema;
    in_work_.insert(entry.text);  // a failure lets the next one who waits try, and tell
  }
  try {
    entry.schema.grammar = compile_schema(schema_json, stop);
    entry.schema.masks = std::make_shared<StringMasks>(table, entry.schema.grammar);
    entry.bytes = entry.text.size() + bytes_of(*entry.schema.grammar);
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      in_work_.erase(entry.text);
    }
    compiled_.notify_all();
    throw;
  }
  CompiledSchema schema = entry.schema;
  {
    const std::lock_guard lock(mutex_);
    in_work_.erase(entry.text);
    keep(std::move(entry));
  }
  compiled_.notify_all();
  return schema;
}

void SchemaCache::keep(Entry entry) {
  bytes_ += entry.bytes;
  entries_.push_front(std::move(entry));
  while (entries_.size() > kMostSchemas || bytes_ > kMostBytes) {
    bytes_ -= entries_.back().bytes;
    entries_.pop_back();
    if (entries_.empty()) break;
  }
}

size_t SchemaCache::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace lazyllm::grammar
