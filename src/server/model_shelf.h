// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "server/model_folder.h"

namespace lazyllm::server {

struct ModelService;

/// The models of a folder, loaded when a request names them and unloaded when others need their
/// place: the one that was used longest ago goes first, and only when no request holds it. Those
/// that wait for a place get it in the order in which they came. Thread-safe.
class ModelShelf {
 public:
  using Service = std::shared_ptr<ModelService>;
  /// Loads a model; may take long. Errors go to who asked.
  using Make = std::function<Service(const std::string& name, const std::filesystem::path& path)>;
  using Gone = std::function<bool()>;

  struct Options {
    std::filesystem::path folder;
    size_t most = 4;       ///< loaded at a time; 0: as many as memory takes
    bool autoload = true;  ///< requests load what they name; else only load() does
    /// Bytes of memory that are free; only tests have another.
    std::function<uint64_t()> free_bytes = {};
  };
  ModelShelf(Options options, Make make);

  enum class Status { unloaded, loading, loaded, unloading };
  struct Listed {
    std::string name;
    ModelFile file;
    Status status = Status::unloaded;
    std::string failure;  ///< why it could not be loaded last time
    Service service;      ///< null unless loaded; holds it
  };
  /// By name, as the folder is now.
  std::vector<Listed> list();

  /// The model of this name; an empty one: the model that was used last, or the only one. Waits
  /// until it is loaded. The request holds it by the pointer.
  /// Errors: RequestError 404 for a name that is not there, 400 if it is not loaded and is not to
  /// be, 499 once `gone`, 503 after stop(); those of loading.
  Service acquire(const std::string& name, const Gone& gone);
  /// The same, also where requests do not load. Errors: those of acquire().
  Service load(const std::string& name, const Gone& gone);
  /// Waits until no request holds it. Errors: RequestError 404, 400 if it is not loaded, 499.
  void unload(const std::string& name, const Gone& gone);

  /// Those that are loaded. Nobody gets one any more.
  std::vector<Service> stop();

  const Options& options() const { return options_; }

 private:
  struct Place {
    ModelFile file;
    Status status = Status::unloaded;
    Service service;
    uint64_t used = 0;    // by the clock
    bool leaves = false;  // somebody waits for its place: it takes no further requests
    std::string failure = {};
  };
  struct Waiting {
    Place* place;
    int requests;
  };
  using Lock = std::unique_lock<std::mutex>;

  void look_at_folder();
  Place& find(const std::string& name);
  Place& last_used();
  Service hold(Lock& lock, Place& place, const Gone& gone);
  /// Waits its turn, then makes room and loads.
  void wait_for(Lock& lock, Place& place, const Gone& gone);
  bool is_free_for(const Place& place) const;
  Place* next_to_leave(const Place& except);
  void make_room_for(Lock& lock, const Place& place);
  void load_now(Lock& lock, const std::string& name, Place& place);
  void unload_now(Lock& lock, Place& place);
  void forget_wishes();
  const std::string& name_of(const Place& place) const;
  static bool is_idle(const Place& place);
  void check_wanted(const Gone& gone) const;

  Options options_;
  Make make_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Place> places_;  // nodes stay; a file that is gone leaves its path empty
  std::list<Waiting> queue_;
  uint64_t clock_ = 0;
  bool stopping_ = false;
};

/// What this machine, or the control group of this process, has left. 0: unknown.
uint64_t free_memory_bytes();

}  // namespace lazyllm::server
