// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "server/http_message.h"
#include "server/json_body.h"

namespace lazyllm::server {

/// A part of a body of type multipart/form-data (RFC 7578).
struct FormPart {
  std::string file_name;  ///< empty: a plain field
  std::string content;
};

/// The parts by name. Errors: RequestError 400 for a body that is no such form.
std::map<std::string, FormPart> parse_form(std::string_view body, std::string_view content_type);

/// What POST /v1/documents was given.
struct DocumentUpload {
  std::string name = "document";
  std::string bytes;     ///< of a file
  bool is_text = false;  ///< `bytes` came as a text in JSON
  std::string system;    ///< the system prompt that requests about it will have
  bool read_ahead = true;
  Json lazy;  ///< the object "lazy" of requests about it; null: none
};

/// JSON, a form with a part "file", or a file as it is with ?name=. Errors: RequestError 400.
DocumentUpload parse_document_upload(const Exchange& exchange);

}  // namespace lazyllm::server
