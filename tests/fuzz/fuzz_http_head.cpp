// SPDX-License-Identifier: Apache-2.0
// Any bytes as the head of a request: refused with a status that says so, or free of what makes
// the end of a request ambiguous. The count here is a second, simpler reading of the same lines.
#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "server/http_head_check.h"

using namespace lazyllm::server;

namespace {

size_t lines_that_begin_with(std::string_view head, std::string_view name) {
  size_t count = 0;
  for (size_t at = head.find('\n'); at != std::string_view::npos; at = head.find('\n', at + 1)) {
    std::string line(head.substr(at + 1, name.size()));
    std::transform(line.begin(), line.end(), line.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    count += line == name ? 1 : 0;
  }
  return count;
}

void check(std::string_view head) {
  const int status = check_http_head(head);
  if (status != 0) {
    if (status != 400 && status != 413 && status != 414 && status != 431 && status != 505)
      std::abort();
    return;
  }
  const size_t hosts = lines_that_begin_with(head, "host:");
  const size_t lengths = lines_that_begin_with(head, "content-length:");
  const size_t encodings = lines_that_begin_with(head, "transfer-encoding:");
  if (hosts > 1 || lengths + encodings > 1) std::abort();
  if (head.find('\0') != std::string_view::npos) std::abort();
  // One empty line, at the end, and every LF behind its CR.
  if (head.find("\r\n\r\n") != head.size() - 4) std::abort();
  for (size_t i = 0; i < head.size(); ++i) {
    if (head[i] == '\n' && (i == 0 || head[i - 1] != '\r')) std::abort();
    if (head[i] == '\r' && (i + 1 == head.size() || head[i + 1] != '\n')) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  check(bytes);
  check(std::string(bytes) + "\r\n\r\n");  // most mutations lose the empty line
  return 0;
}
