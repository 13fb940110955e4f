// SPDX-License-Identifier: Apache-2.0
#include "server/document_shelf.h"

#include <algorithm>
#include <chrono>

#include "server/request_error.h"

namespace lazyllm::server {
namespace {

using State = DocumentShelf::Reading::State;

constexpr size_t kMostEnded = 1000;  // readings whose end is remembered

RequestError not_found(const std::string& id, const std::string& param) {
  return {404, "invalid_request_error", "document_not_found",
          "there is no document \"" + id.substr(0, 100) +
              "\"; GET /v1/documents lists them, POST /v1/documents takes it again",
          param};
}

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

}  // namespace

DocumentShelf::Document DocumentShelf::put(const std::string& name, const std::string& text,
                                           std::string& problem) {
  if (library_ != nullptr) {
    try {
      const std::string id = library_->put_document(name, text);
      if (const auto entry = library_->entry(LibraryEntry::Kind::document, id))
        return {*entry, true};
    } catch (const Error& error) {
      problem = error.what();
    }
  }
  const std::lock_guard lock(mutex_);
  LibraryEntry entry;
  entry.id = Library::document_id(text);
  entry.name = name;
  entry.bytes = text.size();
  entry.created = entry.used = now_ms();
  if (const auto held = position_of(entry.id); held != in_memory_.end()) {
    bytes_ -= held->text.size();
    in_memory_.erase(held);
  }
  bytes_ += text.size();
  in_memory_.push_back({entry, text});
  while (bytes_ > most_bytes_ && in_memory_.size() > 1) {
    bytes_ -= in_memory_.front().text.size();
    in_memory_.pop_front();
  }
  return {entry, false};
}

std::list<DocumentShelf::InMemory>::iterator DocumentShelf::position_of(const std::string& id) {
  return std::find_if(in_memory_.begin(), in_memory_.end(),
                      [&](const InMemory& held) { return held.entry.id == id; });
}

/// A library that fails counts as one that does not have it.
std::optional<LibraryEntry> DocumentShelf::in_library(const std::string& id) {
  if (library_ == nullptr) return std::nullopt;
  try {
    return library_->entry(LibraryEntry::Kind::document, id);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::string DocumentShelf::text(const std::string& id, const std::string& param) {
  if (library_ != nullptr) {
    try {
      if (auto text = library_->document(id)) return std::move(*text);
    } catch (const Error&) {  // maybe it is in memory
    }
  }
  const std::lock_guard lock(mutex_);
  const auto held = position_of(id);
  if (held == in_memory_.end()) throw not_found(id, param);
  return held->text;
}

DocumentShelf::Document DocumentShelf::find(const std::string& id, const std::string& param) {
  if (const auto entry = in_library(id)) return {*entry, true};
  const std::lock_guard lock(mutex_);
  const auto held = position_of(id);
  if (held == in_memory_.end()) throw not_found(id, param);
  return {held->entry, false};
}

std::vector<DocumentShelf::Document> DocumentShelf::all() {
  std::vector<Document> all;
  if (library_ != nullptr) {
    try {
      for (LibraryEntry& entry : library_->entries(LibraryEntry::Kind::document)) {
        all.push_back({std::move(entry), true});
      }
    } catch (const Error&) {  // those in memory are there
    }
  }
  const std::lock_guard lock(mutex_);
  for (const InMemory& held : in_memory_) all.push_back({held.entry, false});
  return all;
}

void DocumentShelf::remove(const std::string& id) {
  bool found = false;
  if (library_ != nullptr) {
    try {
      found = library_->remove(LibraryEntry::Kind::document, id);
    } catch (const Error& error) {
      throw RequestError(error);
    }
  }
  std::unique_ptr<Answer> cancelled;
  const std::lock_guard lock(mutex_);
  if (const auto held = position_of(id); held != in_memory_.end()) {
    bytes_ -= held->text.size();
    in_memory_.erase(held);
    found = true;
  }
  if (const auto work = work_.find(id); work != work_.end()) {
    cancelled = std::move(work->second.answer);
    work_.erase(work);
  }
  if (!found) throw not_found(id, "document_id");
}

void DocumentShelf::begin_reading(const std::string& id, std::unique_ptr<Answer> answer,
                                  int64_t tokens) {
  const std::lock_guard lock(mutex_);
  forget_ended();
  work_[id] = {std::move(answer), {State::reading, 0.0, tokens}};
}

void DocumentShelf::forget_ended() {
  if (work_.size() < kMostEnded) return;
  std::erase_if(work_, [](const auto& entry) { return entry.second.answer == nullptr; });
}

DocumentShelf::Reading DocumentShelf::reading(const std::string& id) {
  const std::lock_guard lock(mutex_);
  const auto found = work_.find(id);
  if (found == work_.end()) return {};
  Work& work = found->second;
  while (work.answer != nullptr) {
    std::optional<AnswerEvent> event = work.answer->wait(std::chrono::milliseconds(0));
    if (!event) break;
    if (const auto* progress = std::get_if<PrefillProgress>(&*event)) {
      work.reading.share = progress->share;
    } else if (const auto* end = std::get_if<AnswerEnd>(&*event)) {
      const bool failed = end->error || end->reason == FinishReason::cancelled;
      work.reading.state = failed ? State::failed : State::ready;
      work.reading.share = failed ? work.reading.share : 1.0;
      if (end->error) work.reading.error = end->error->what();
      work.answer = nullptr;
    }
  }
  return work.reading;
}

}  // namespace lazyllm::server
