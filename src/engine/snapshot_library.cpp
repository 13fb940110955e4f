// SPDX-License-Identifier: Apache-2.0
#include "engine/snapshot_library.h"

#include <algorithm>

#include "base/error.h"
#include "base/hash.h"
#include "engine/model_implementation.h"

namespace lazyllm::engine {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = LibraryEntry::Kind;

// Fewer tokens are computed sooner than a file is read and kept in order.
constexpr int64_t kLeastTokens = 64;
constexpr auto kNoteUseEvery = std::chrono::minutes(1);
constexpr auto kQuietAfterFailure = std::chrono::minutes(2);

std::string text_of(const SnapshotOrigin& origin) {
  return fmt::format("{:016x} {} {} k{} v{}", origin.model, origin.version, origin.isa,
                     static_cast<int>(origin.cache_types.k),
                     static_cast<int>(origin.cache_types.v));
}

/// An entry's origin ends in its attention, where that is not dense.
std::string origin_with(const std::string& origin, const lazy::AttentionForm& attention) {
  return attention.sparse ? origin + " " + attention.to_string() : origin;
}

}  // namespace

SnapshotLibrary::SnapshotLibrary(std::shared_ptr<Library> library, const Model& model,
                                 lazy::CacheTypes cache_types)
    : library_(std::move(library)),
      transformer_(model.implementation().require_transformer()),
      origin_(snapshot_origin(model, cache_types)),
      origin_text_(text_of(origin_)),
      model_name_(model.info().name),
      forms_{lazy::AttentionForm{}} {}

std::string SnapshotLibrary::id_of(const lazy::Snapshot& snapshot) const {
  // Two hashes of 64 bits, so that no two snapshots meet by accident.
  std::string id;
  for (const int seed : {0, 1}) {
    Hash hash;
    hash.add(seed);
    hash.add_text(origin_with(origin_text_, snapshot.attention()));
    hash.add(snapshot.depth());
    hash.add(std::as_bytes(snapshot.tokens()));
    id += fmt::format("{:016x}", hash.value());
  }
  return id;
}

bool SnapshotLibrary::try_to(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception& failure) {
    quiet_until_ = Clock::now() + kQuietAfterFailure;
    library_->tell(fmt::format("{}; it goes on in memory", failure.what()));
    return false;
  }
}

void SnapshotLibrary::refresh() {
  const int64_t changes = library_->changes();
  if (changes == changes_) return;
  entries_.clear();
  for (const lazy::AttentionForm& form : forms_) {
    for (LibraryEntry& entry : library_->entries(Kind::snapshot, origin_with(origin_text_, form))) {
      stored_.insert(entry.id);
      entries_.push_back({std::move(entry), form});
    }
  }
  changes_ = changes;
}

void SnapshotLibrary::look_for_all() {
  const std::string other = origin_text_ + " ";
  for (const LibraryEntry& entry : library_->entries(Kind::snapshot)) {
    if (!entry.origin.starts_with(other)) continue;
    look_for(lazy::AttentionForm::parse(std::string_view(entry.origin).substr(other.size())));
  }
}

void SnapshotLibrary::look_for(const lazy::AttentionForm& form) {
  if (std::ranges::find(forms_, form) != forms_.end()) return;
  forms_.push_back(form);
  changes_ = -1;
}

void SnapshotLibrary::bring(const PrefillQuestion& question, SnapshotCache& cache) {
  if (cache.most_bytes() == 0 || Clock::now() < quiet_until_) return;
  try_to([&] {
    look_for(question.plan.attention.for_size(std::ssize(question.prompt)));
    refresh();
    for (const SnapshotWish& wish : snapshot_wishes(question)) {
      if (bring(wish, cache)) return;
    }
    // Documents in free order: whole ones if all are, for the dense way.
    for (const bool dense : {true, false}) {
      bool all = true;
      for (const SnapshotWish& wish : document_wishes(question, dense)) {
        all = bring(wish, cache) && all;
      }
      if (dense && all && !document_wishes(question, true).empty()) return;
    }
  });
}

bool SnapshotLibrary::bring(const SnapshotWish& wish, SnapshotCache& cache) {
  SnapshotCache::Match held = cache.find(wish);
  int64_t most_saved = 0;
  if (held.snapshot != nullptr) {
    note_use(id_of(*held.snapshot));
    most_saved = (held.tokens + kLeastTokens) * held.snapshot->depth();
  }
  const LibraryEntry* best = nullptr;
  for (const auto& [entry, attention] : entries_) {
    if (entry.depth > wish.depth || entry.bytes > cache.most_bytes()) continue;
    const int64_t tokens = usable_tokens(wish, entry.tokens, attention);
    if (tokens < kLeastTokens || tokens * entry.depth <= most_saved) continue;
    most_saved = tokens * entry.depth;
    best = &entry;
  }
  if (best != nullptr) {
    note_use(best->id);
    read(*best, cache);
    held = cache.find(wish);
  }
  return held.snapshot != nullptr && held.snapshot->depth() == wish.depth &&
         held.tokens * 10 >= wish.most_tokens * 9;
}

void SnapshotLibrary::note_use(const std::string& id) {
  if (!stored_.contains(id)) return;
  const Clock::time_point now = Clock::now();
  const auto last = noted_.find(id);
  if (last != noted_.end() && now - last->second < kNoteUseEvery) return;
  noted_[id] = now;
  library_->note_use(Kind::snapshot, id);
}

void SnapshotLibrary::read(const LibraryEntry& entry, SnapshotCache& cache) {
  std::unique_ptr<lazy::Snapshot> snapshot;
  library_->bring(entry);
  try {
    snapshot = read_snapshot(library_->path_of(entry), transformer_, origin_);
    if (!std::ranges::equal(snapshot->tokens(), entry.tokens) || snapshot->depth() != entry.depth) {
      fail(ErrorCode::invalid_file, "it holds another snapshot than its entry says");
    }
  } catch (const Error& failure) {
    // Also for one that another process has just removed; then there is nothing to say.
    stored_.erase(entry.id);
    changes_ = -1;
    library_->put_aside(entry, failure.what());
    return;
  }
  cache.store(std::move(snapshot));
}

bool SnapshotLibrary::wants(const lazy::Snapshot& snapshot, const std::string& id) const {
  if (snapshot.size() < kLeastTokens || stored_.contains(id)) return false;
  if (snapshot.bytes() > library_->most_bytes()) return false;
  // Ten questions about a document need not leave it ten times: what another one at the same depth
  // holds nearly all of is not written.
  const int64_t least_new = std::max(kLeastTokens, snapshot.size() / 8);
  return std::none_of(entries_.begin(), entries_.end(), [&](const Entry& of) {
    return of.entry.depth == snapshot.depth() && of.attention == snapshot.attention() &&
           snapshot.size() - common_prefix(of.entry.tokens, snapshot.tokens()) < least_new;
  });
}

void SnapshotLibrary::forget(std::span<const int32_t> text) {
  try_to([&] {
    look_for_all();
    refresh();
    for (const auto& [entry, attention] : entries_) {
      if (hold_text(entry.tokens, text)) library_->remove(Kind::snapshot, entry.id);
    }
  });
}

void SnapshotLibrary::erase(std::span<const int32_t> conversation) {
  try_to([&] {
    look_for_all();
    refresh();
    for (const auto& [entry, attention] : entries_) {
      if (is_of_conversation(entry.tokens, conversation))
        library_->remove(Kind::snapshot, entry.id);
    }
  });
}

bool SnapshotLibrary::save_one(const SnapshotCache& cache) {
  if (Clock::now() < quiet_until_) return false;
  bool written = false;
  try_to([&] {
    refresh();
    for (const auto& snapshot : cache.snapshots()) {
      look_for(snapshot->attention());
      refresh();
      const std::string id = id_of(*snapshot);
      if (!wants(*snapshot, id)) continue;
      write(*snapshot, id);
      written = true;
      return;
    }
  });
  return written;
}

void SnapshotLibrary::write(const lazy::Snapshot& snapshot, const std::string& id) {
  stored_.insert(id);  // also where it fails: it is not tried again
  LibraryEntry entry;
  entry.kind = Kind::snapshot;
  entry.id = id;
  entry.name = model_name_;
  entry.origin = origin_with(origin_text_, snapshot.attention());
  entry.tokens.assign(snapshot.tokens().begin(), snapshot.tokens().end());
  entry.depth = snapshot.depth();
  library_->put_file(
      entry, [&](const std::filesystem::path& path) { write_snapshot(path, snapshot, origin_); });
  remove_covered_by(entry);
}

/// A conversation leaves a longer snapshot with each turn.
void SnapshotLibrary::remove_covered_by(const LibraryEntry& entry) {
  for (const auto& [old, attention] : entries_) {
    if (old.origin == entry.origin && old.depth == entry.depth &&
        old.tokens.size() < entry.tokens.size() &&
        common_prefix(old.tokens, entry.tokens) == std::ssize(old.tokens)) {
      library_->remove(Kind::snapshot, old.id);
    }
  }
}

void SnapshotLibrary::save(const SnapshotCache& cache) {
  while (save_one(cache)) {
  }
}

}  // namespace lazyllm::engine
