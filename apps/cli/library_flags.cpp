// SPDX-License-Identifier: Apache-2.0
#include "library_flags.h"

#include <cstdio>

namespace lazyllm::cli {

void add_library_flags(CLI::App& command, LibraryFlags& flags) {
  const std::string group = "Memory";
  command
      .add_option("--library", flags.library,
                  "folder that keeps what was read of documents for later runs, or none (default: "
                  "lazyllm/library in the user's cache folder)")
      ->group(group);
  command
      .add_option("--library-size", flags.library_size_mib,
                  "MiB of the library; what was used least recently goes first")
      ->check(CLI::Range(1.0, 1e9))
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--library-store", flags.library_store,
                  "where libraries on several machines share what they hold: "
                  "redis://[:PASSWORD@]HOST[:PORT][/DATABASE] of Redis or Valkey")
      ->group(group);
}

std::shared_ptr<Library> open_library(const LibraryFlags& flags, bool must) {
  if (flags.library == "none") {
    if (!flags.library_store.empty()) {
      throw Error(ErrorCode::usage,
                  "--library-store needs a library; leave out --library none or name a folder");
    }
    if (must) throw Error(ErrorCode::usage, "--library none: there is no library to work on");
    return nullptr;
  }
  LibraryOptions options;
  options.folder =
      flags.library.empty() ? default_library_folder() : std::filesystem::path(flags.library);
  options.most_bytes = static_cast<uint64_t>(flags.library_size_mib * (1 << 20));
  options.store = flags.library_store;
  options.on_message = [](const std::string& text) {
    std::fprintf(stderr, "lazyllm: library: %s\n", text.c_str());
  };
  try {
    if (options.folder.empty()) {
      throw Error(ErrorCode::usage, "there is no home folder; name one: --library DIR");
    }
    return std::make_shared<Library>(options);
  } catch (const Error& error) {
    if (must || !flags.library_store.empty()) throw;
    std::fprintf(stderr, "lazyllm: library: %s; it goes on in memory\n", error.what());
    return nullptr;
  }
}

Prefill default_prefill(const PruningFlags& flags) {
  const bool named = flags.policy != "lazy" || !flags.prune.empty() || !flags.score.empty() ||
                     flags.keep_mass >= 0.0 || flags.score_pool > 0;
  return named ? Prefill::as_asked : Prefill::soonest;
}

}  // namespace lazyllm::cli
