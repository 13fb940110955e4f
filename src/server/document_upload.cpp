// SPDX-License-Identifier: Apache-2.0
#include "server/document_upload.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/lower_ascii.h"
#include "lazyllm/document.h"

namespace lazyllm::server {
namespace {

constexpr size_t kMostParts = 32, kMostName = 255;

RequestError bad_form(const std::string& why) {
  return invalid_request("", "the body is no multipart/form-data: " + why, "invalid_form");
}

/// The value of `name` in "form-data; name="file"; filename="a.pdf""; empty: it is not there.
std::string parameter(std::string_view header, const std::string& name) {
  const std::string lowered = lower_ascii(header);
  for (size_t at = lowered.find(name + "="); at != lowered.npos;
       at = lowered.find(name + "=", at + 1)) {
    if (at > 0 && std::isalnum(static_cast<unsigned char>(lowered[at - 1])) != 0) continue;
    size_t begin = at + name.size() + 1;
    if (begin >= header.size()) return {};
    if (header[begin] != '"') {
      return std::string(header.substr(begin, header.find_first_of("; \t", begin) - begin));
    }
    std::string value;
    for (++begin; begin < header.size() && header[begin] != '"'; ++begin) {
      if (header[begin] == '\\' && begin + 1 < header.size()) ++begin;
      value += header[begin];
    }
    return value;
  }
  return {};
}

FormPart parse_part(std::string_view part, std::string& name) {
  const size_t blank = part.find("\r\n\r\n");
  if (blank == part.npos) throw bad_form("a part has no empty line after its head");
  FormPart result;
  for (std::string_view head = part.substr(0, blank + 2); !head.empty();) {
    const size_t end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end == head.npos ? head.size() : end + 2);
    if (!lower_ascii(line).starts_with("content-disposition:")) continue;
    name = parameter(line, "name");
    result.file_name = parameter(line, "filename");
  }
  if (name.empty()) throw bad_form("a part has no name");
  result.content = part.substr(blank + 4);
  return result;
}

/// The last part of a path, bounded, without control characters.
std::string file_name_of(const std::string& path) {
  std::string name = path.substr(path.find_last_of("/\\") + 1).substr(0, kMostName);
  std::erase_if(name, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (name.empty() || find_invalid_utf8(name) != name.npos) return "document";
  return name;
}

void refuse_unknown(const Json& json) {
  constexpr std::array<std::string_view, 5> kKnown = {"text", "name", "system", "read_ahead",
                                                      "lazy"};
  for (const auto& [name, value] : json.items()) {
    if (std::find(kKnown.begin(), kKnown.end(), name) == kKnown.end()) {
      throw invalid_request(name,
                            name + " is unknown; there are text, name, system, read_ahead, lazy",
                            "unknown_parameter");
    }
  }
}

DocumentUpload of_json(const std::string& body) {
  const Json json = parse_body(body);
  refuse_unknown(json);
  const Fields fields(json);
  DocumentUpload upload;
  upload.bytes = to_text(fields.require("text"), "text");
  upload.is_text = true;
  if (const auto name = fields.text("name")) upload.name = file_name_of(*name);
  upload.system = fields.text("system").value_or("");
  upload.read_ahead = fields.boolean("read_ahead").value_or(true);
  if (const auto lazy = fields.object("lazy")) upload.lazy = lazy->json();
  return upload;
}

DocumentUpload of_form(const Exchange& exchange, const std::string& type) {
  std::map<std::string, FormPart> parts = parse_form(exchange.body, type);
  DocumentUpload upload;
  for (auto& [name, part] : parts) {
    if (name == "file") {
      upload.name = file_name_of(part.file_name);
      upload.bytes = std::move(part.content);
    } else if (name == "system") {
      upload.system = part.content;
    } else if (name == "read_ahead") {
      if (part.content != "true" && part.content != "false") {
        throw invalid_request(name, "read_ahead must be true or false");
      }
      upload.read_ahead = part.content == "true";
    } else if (name == "lazy") {
      upload.lazy = parse_body(part.content);
    } else if (name != "purpose") {  // of OpenAI's files
      throw invalid_request(name, name + " is unknown; there are file, system, read_ahead, lazy",
                            "unknown_parameter");
    }
  }
  if (!parts.contains("file"))
    throw invalid_request("file", "the form has no part \"file\"", "missing_required_parameter");
  return upload;
}

}  // namespace

std::map<std::string, FormPart> parse_form(std::string_view body, std::string_view content_type) {
  const std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > 70) throw bad_form("its type names no boundary");
  const std::string line = "--" + boundary;
  std::map<std::string, FormPart> parts;
  size_t at = body.find(line);
  if (at != 0 && (at == body.npos || at < 2 || body.substr(at - 2, 2) != "\r\n")) {
    throw bad_form("the boundary is not in it");
  }
  for (at += line.size(); body.substr(at, 2) != "--";) {
    if (body.substr(at, 2) != "\r\n") throw bad_form("a boundary is not on a line of its own");
    const size_t begin = at + 2, end = body.find("\r\n" + line, begin);
    if (end == body.npos) throw bad_form("the last boundary is missing");
    std::string name;
    FormPart part = parse_part(body.substr(begin, end - begin), name);
    if (parts.size() >= kMostParts) throw bad_form("it has too many parts");
    if (!parts.emplace(name, std::move(part)).second) {
      throw bad_form("two parts have the name " + name.substr(0, 100));
    }
    at = end + 2 + line.size();
  }
  return parts;
}

DocumentUpload parse_document_upload(const Exchange& exchange) {
  const std::string type = exchange.request.fields.get("Content-Type");
  const std::string kind = lower_ascii(type).substr(0, type.find(';'));
  if (kind == "multipart/form-data") return of_form(exchange, type);
  if (kind == "application/json" || kind.empty()) return of_json(exchange.body);
  DocumentUpload upload;
  upload.bytes = exchange.body;
  upload.name = file_name_of(exchange.request.query_value("name"));
  return upload;
}

}  // namespace lazyllm::server
