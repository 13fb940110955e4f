// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "lazyllm/library.h"
#include "pruning_flags.h"

namespace lazyllm::cli {

/// Where documents and snapshots outlive the program.
struct LibraryFlags {
  std::string library;  ///< a folder, "none"; empty: the user's
  double library_size_mib = 8192.0;
  std::string library_store;  ///< address of a shared store, or empty
};

/// --library, --library-size and --library-store.
void add_library_flags(CLI::App& command, LibraryFlags& flags);

/// Null: none is wanted, or (told on stderr in a line) it cannot be used. `must`: that is an error.
std::shared_ptr<Library> open_library(const LibraryFlags& flags, bool must = false);

/// As serve has it: who names a way to prune gets it, whatever the library holds.
Prefill default_prefill(const PruningFlags& flags);

}  // namespace lazyllm::cli
