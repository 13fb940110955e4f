// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include "server/http_server.h"

namespace lazyllm::server {

/// A file of src/server/page/, embedded when the program was built (cmake/EmbedFiles.cmake).
struct EmbeddedFile {
  std::string_view name;
  std::string_view content;
};
std::span<const EmbeddedFile> page_files();

/// Serves them: index.html at "/", the others under their names.
void add_page(HttpServer& server);

}  // namespace lazyllm::server
