// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace lazyllm::store {

/// Bytes there and in all (0: unknown). Returns false to stop.
using OnBytes = std::function<bool(int64_t done, int64_t total)>;

struct Request {
  std::string url;     ///< http or https
  std::string bearer;  ///< sent to the URL's own host only; empty: none
};

/// A small answer as text. Errors: Error(io) with the URL and what happened, also for one of more
/// than `most_bytes`.
std::string get_text(const Request& request, int64_t most_bytes);

/// Fetches into PATH.part, going on with what is there if the server says that it is still the same
/// file (PATH.part.tag has its tag), checks the sum if `sha256` is not empty, and moves it to PATH.
/// Errors: Error(io); Error(invalid_file) for a wrong sum, whose file is removed; Error(cancelled).
void download(const Request& request, const std::filesystem::path& path, const std::string& sha256,
              const OnBytes& on_bytes);

/// Of a whole file. Errors: Error(io).
std::string sha256_of(const std::filesystem::path& path);

}  // namespace lazyllm::store
