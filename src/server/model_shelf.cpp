// SPDX-License-Identifier: Apache-2.0
#include "server/model_shelf.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <fstream>

#include "server/http_message.h"
#include "server/model_service.h"
#include "server/request_error.h"
#include "server/request_log.h"

namespace lazyllm::server {
namespace {

RequestError unknown_model(const std::string& name, const std::string& there) {
  return {404, "invalid_request_error", "model_not_found",
          fmt::format("there is no model \"{}\" here; {}", name.substr(0, 200), there), "model"};
}

uint64_t number_of(const char* path) {
  uint64_t value = 0;
  return std::ifstream(path) >> value ? value : 0;
}

}  // namespace

uint64_t free_memory_bytes() {
  uint64_t free = 0;
  std::ifstream file("/proc/meminfo");
  for (std::string name; file >> name;) {
    uint64_t kibibytes = 0;
    if (name == "MemAvailable:" && file >> kibibytes) free = kibibytes << 10;
    file.ignore(256, '\n');
  }
  // "max" is no number: no limit.
  const uint64_t most = number_of("/sys/fs/cgroup/memory.max");
  const uint64_t used = number_of("/sys/fs/cgroup/memory.current");
  if (most > 0) free = std::min(free, most > used ? most - used : 0);
  return free;
}

ModelShelf::ModelShelf(Options options, Make make)
    : options_(std::move(options)), make_(std::move(make)) {
  if (!options_.free_bytes) options_.free_bytes = free_memory_bytes;
  look_at_folder();
}

void ModelShelf::look_at_folder() {
  auto found = models_in(options_.folder);
  for (auto& [name, place] : places_) {
    if (!found.contains(name) && place.status == Status::unloaded) place.file.path.clear();
  }
  for (auto& [name, file] : found) {
    Place& place = places_[name];
    if (place.status == Status::unloaded) place.file = std::move(file);
  }
}

std::vector<ModelShelf::Listed> ModelShelf::list() {
  const Lock lock(mutex_);
  look_at_folder();
  std::vector<Listed> listed;
  for (const auto& [name, place] : places_) {
    if (place.file.path.empty()) continue;
    listed.push_back({name, place.file, place.status, place.failure, place.service});
  }
  return listed;
}

/// Names as clients write them: with their file's ending, or ollama's tag.
ModelShelf::Place& ModelShelf::find(const std::string& name) {
  if (name.empty()) return last_used();
  std::string plain = name;
  for (const std::string_view ending : {".gguf", ":latest"}) {
    if (plain.ends_with(ending)) plain.erase(plain.size() - ending.size());
  }
  for (const bool again : {false, true}) {
    if (again) look_at_folder();
    for (const std::string& one : {name, plain}) {
      const auto found = places_.find(one);
      if (found != places_.end() && !found->second.file.path.empty()) return found->second;
    }
  }
  std::string names;
  for (const auto& [one, place] : places_) {
    if (!place.file.path.empty()) names += (names.empty() ? "\"" : ", \"") + one + "\"";
    if (names.size() > 500) {
      names += ", ...";
      break;
    }
  }
  throw unknown_model(name, names.empty() ? "the folder of models is empty" : "there is " + names);
}

ModelShelf::Place& ModelShelf::last_used() {
  Place* last = nullptr;
  size_t count = 0;
  for (auto& [name, place] : places_) {
    if (place.file.path.empty()) continue;
    ++count;
    if (place.used > 0 && (last == nullptr || place.used > last->used)) last = &place;
  }
  if (last != nullptr) return *last;
  if (count != 1) {
    throw RequestError(400, "invalid_request_error", "missing_field",
                       "say which model is meant; GET /v1/models lists them", "model");
  }
  return std::find_if(places_.begin(), places_.end(),
                      [](const auto& entry) { return !entry.second.file.path.empty(); })
      ->second;
}

ModelShelf::Service ModelShelf::acquire(const std::string& name, const Gone& gone) {
  Lock lock(mutex_);
  Place& place = find(name);
  if (!options_.autoload && place.status == Status::unloaded) {
    throw RequestError(
        400, "invalid_request_error", "model_not_loaded",
        fmt::format("the model \"{}\" is not loaded; POST /models/load loads it", name_of(place)),
        "model");
  }
  return hold(lock, place, gone);
}

ModelShelf::Service ModelShelf::load(const std::string& name, const Gone& gone) {
  Lock lock(mutex_);
  return hold(lock, find(name), gone);
}

ModelShelf::Service ModelShelf::hold(Lock& lock, Place& place, const Gone& gone) {
  if (place.status != Status::loaded || place.leaves) wait_for(lock, place, gone);
  place.used = ++clock_;
  return place.service;
}

void ModelShelf::check_wanted(const Gone& gone) const {
  if (stopping_) {
    throw RequestError(503, "unavailable_error", "stopping",
                       "the server is stopping; send the request again");
  }
  if (gone()) throw RequestError(499, "client_error", "client_gone", "the client went away");
}

void ModelShelf::wait_for(Lock& lock, Place& place, const Gone& gone) {
  auto entry = std::find_if(queue_.begin(), queue_.end(),
                            [&](const Waiting& one) { return one.place == &place; });
  if (entry == queue_.end()) entry = queue_.insert(queue_.end(), {&place, 0});
  ++entry->requests;
  const auto leave_queue = [&] {
    if (--entry->requests > 0) return;
    queue_.erase(entry);
    forget_wishes();
    changed_.notify_all();
  };
  try {
    while (place.status != Status::loaded || place.leaves) {
      check_wanted(gone);
      if (entry == queue_.begin() && place.status == Status::unloaded) {
        if (is_free_for(place)) {
          load_now(lock, name_of(place), place);
          continue;
        }
        make_room_for(lock, place);
      }
      changed_.wait_for(lock, kNoticeGone);
    }
  } catch (...) {
    leave_queue();
    throw;
  }
  leave_queue();
}

bool ModelShelf::is_free_for(const Place& place) const {
  size_t taken = 0;
  for (const auto& [name, other] : places_) {
    if (&other != &place && other.status != Status::unloaded) ++taken;
  }
  if (taken == 0) return true;
  if (options_.most > 0 && taken >= options_.most) return false;
  // Repacked weights, buffers and what is kept of prompts take about a quarter more.
  const uint64_t free = options_.free_bytes();
  return free == 0 || place.file.bytes + place.file.bytes / 4 <= free;
}

bool ModelShelf::is_idle(const Place& place) {
  return place.status == Status::loaded && place.service.use_count() == 1;
}

ModelShelf::Place* ModelShelf::next_to_leave(const Place& except) {
  Place* next = nullptr;
  for (auto& [name, place] : places_) {
    if (&place == &except || place.status != Status::loaded) continue;
    const bool sooner = next == nullptr || std::pair(!is_idle(place), place.used) <
                                               std::pair(!is_idle(*next), next->used);
    if (sooner) next = &place;
  }
  return next;
}

/// The one that idles longest goes; if all work, the one that was used longest ago takes no further
/// requests and goes when its last one ends.
void ModelShelf::make_room_for(Lock& lock, const Place& place) {
  for (auto& [name, other] : places_) {
    if (other.leaves && is_idle(other)) return unload_now(lock, other);
    if (other.leaves || other.status == Status::unloading) return;  // it is on its way
  }
  Place* const next = next_to_leave(place);
  if (next == nullptr) return;
  if (is_idle(*next)) return unload_now(lock, *next);
  next->leaves = true;
}

/// Nobody waits any more: all that are loaded may stay.
void ModelShelf::forget_wishes() {
  if (!queue_.empty()) return;
  for (auto& [name, place] : places_) {
    if (place.status == Status::loaded) place.leaves = false;
  }
}

void ModelShelf::load_now(Lock& lock, const std::string& name, Place& place) {
  place.status = Status::loading;
  place.failure.clear();
  lock.unlock();
  Service service;
  std::exception_ptr failure;
  std::string why;
  try {
    service = make_(name, place.file.path);
  } catch (const std::exception& error) {
    failure = std::current_exception();
    why = error.what();
    write_log(LogLine("error", "model").add("name", name).add("why", error.what()));
  }
  lock.lock();
  place.service = std::move(service);
  place.status = failure ? Status::unloaded : Status::loaded;
  place.leaves = false;
  place.used = ++clock_;
  changed_.notify_all();
  if (!failure) {
    write_log(LogLine("info", "model").add("name", name).add("now", "loaded"));
    return;
  }
  place.used = 0;
  place.failure = why;
  std::rethrow_exception(failure);
}

void ModelShelf::unload_now(Lock& lock, Place& place) {
  place.status = Status::unloading;
  Service service = std::move(place.service);
  const std::string& name = name_of(place);
  lock.unlock();
  service.reset();  // ends its threads and writes down what the library keeps
  ::malloc_trim(0);
  write_log(LogLine("info", "model").add("name", name).add("now", "unloaded"));
  lock.lock();
  place.status = Status::unloaded;
  place.leaves = false;
  changed_.notify_all();
}

void ModelShelf::unload(const std::string& name, const Gone& gone) {
  Lock lock(mutex_);
  if (name.empty()) {
    throw RequestError(400, "invalid_request_error", "missing_field", "say which model", "model");
  }
  Place& place = find(name);
  if (place.status != Status::loaded) {
    throw RequestError(400, "invalid_request_error", "model_not_loaded",
                       fmt::format("the model \"{}\" is not loaded", name_of(place)), "model");
  }
  place.leaves = true;
  while (place.status == Status::loaded && !is_idle(place)) {
    try {
      check_wanted(gone);
    } catch (...) {
      place.leaves = false;
      throw;
    }
    place.leaves = true;  // who waited for it may have given up
    changed_.wait_for(lock, kNoticeGone);
  }
  if (place.status == Status::loaded) unload_now(lock, place);
}

std::vector<ModelShelf::Service> ModelShelf::stop() {
  const Lock lock(mutex_);
  stopping_ = true;
  changed_.notify_all();
  std::vector<Service> services;
  for (const auto& [name, place] : places_) {
    if (place.service) services.push_back(place.service);
  }
  return services;
}

const std::string& ModelShelf::name_of(const Place& place) const {
  return std::find_if(places_.begin(), places_.end(),
                      [&](const auto& entry) { return &entry.second == &place; })
      ->first;
}

}  // namespace lazyllm::server
