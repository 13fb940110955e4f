// SPDX-License-Identifier: Apache-2.0
#include "server/page.h"

#include <array>

#include "base/error.h"

namespace lazyllm::server {
namespace {

// Nothing from elsewhere, no code within the markup, in nobody's frame.
constexpr const char* kContentPolicy =
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'";

std::string_view content_type(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kTypes = {{
      {".html", "text/html; charset=utf-8"},
      {".css", "text/css; charset=utf-8"},
      {".js", "text/javascript; charset=utf-8"},
      {".json", "application/json; charset=utf-8"},
      {".svg", "image/svg+xml"},
      {".png", "image/png"},
      {".ico", "image/x-icon"},
  }};
  for (const auto& [ending, type] : kTypes) {
    if (name.ends_with(ending)) return type;
  }
  return "application/octet-stream";
}

/// FNV-1a; only tells versions of a file apart.
std::string entity_tag(std::string_view content) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : content) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return fmt::format("\"{:016x}\"", hash);
}

void serve(const EmbeddedFile& file, Exchange& exchange) {
  HttpResponse& response = exchange.response;
  const std::string tag = entity_tag(file.content);
  response.set_header("ETag", tag);
  response.set_header("Cache-Control", "no-cache");
  response.set_header("Content-Security-Policy", kContentPolicy);
  response.set_header("X-Content-Type-Options", "nosniff");
  response.set_header("Referrer-Policy", "no-referrer");
  if (exchange.request.fields.get("If-None-Match") == tag) {
    response.status = 304;
    return;
  }
  response.set_content(std::string(file.content), std::string(content_type(file.name)));
}

}  // namespace

void add_page(HttpServer& server) {
  for (const EmbeddedFile& file : page_files()) {
    const Route route{[&file](Exchange& exchange) { serve(file, exchange); }, /*open=*/true,
                      /*quick=*/true};
    server.route("GET", fmt::format("/{}", file.name), route);
    if (file.name == "index.html") server.route("GET", "/", route);
  }
}

}  // namespace lazyllm::server
