// SPDX-License-Identifier: Apache-2.0
#include "store/download.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/lower_ascii.h"
#include "base/sha256.h"
#include "store/curl_library.h"

namespace lazyllm::store {
namespace {

namespace fs = std::filesystem;

constexpr long kConnectSeconds = 30, kStalledSeconds = 60, kMostRedirects = 10;

struct CurlDeleter {
  void operator()(CURL* curl) const { curl_library().cleanup(curl); }
};
using CurlHandle = std::unique_ptr<CURL, CurlDeleter>;

/// Header lines to send; they live as long as the transfer.
class HeaderLines {
 public:
  HeaderLines() = default;
  HeaderLines(const HeaderLines&) = delete;
  HeaderLines& operator=(const HeaderLines&) = delete;
  ~HeaderLines() {
    if (lines_ != nullptr) curl_library().free_list(lines_);
  }
  void add(const std::string& line) { lines_ = curl_library().append(lines_, line.c_str()); }
  const curl_slist* lines() const { return lines_; }

 private:
  curl_slist* lines_ = nullptr;
};

/// One transfer. `on_body` gets the pieces of a successful answer and says whether to go on.
class Transfer {
 public:
  using OnBody = std::function<bool(const char* data, size_t size)>;

  Transfer(const Request& request, OnBody on_body)
      : url_(request.url), on_body_(std::move(on_body)), curl_(curl_library().init()) {
    if (!curl_) fail(ErrorCode::io, "{}: libcurl cannot start; is memory short?", url_);
    CURL* curl = curl_.get();
    const auto set = curl_library().set;
    set(curl, CURLOPT_URL, url_.c_str());
    set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    set(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(curl, CURLOPT_FOLLOWLOCATION, 1L);
    set(curl, CURLOPT_MAXREDIRS, kMostRedirects);
    set(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(curl, CURLOPT_LOW_SPEED_TIME, kStalledSeconds);
    set(curl, CURLOPT_NOSIGNAL, 1L);
    set(curl, CURLOPT_USERAGENT, "lazyllm/" LAZYLLM_VERSION);
    set(curl, CURLOPT_WRITEFUNCTION, &Transfer::write);
    set(curl, CURLOPT_WRITEDATA, this);
    set(curl, CURLOPT_HEADERFUNCTION, &Transfer::header);
    set(curl, CURLOPT_HEADERDATA, this);
    // libcurl leaves this header out where a redirect leads to another host.
    if (!request.bearer.empty()) add_header("Authorization: Bearer " + request.bearer);
  }

  void add_header(const std::string& line) { headers_.add(line); }

  /// Asks for what follows the first `bytes`, or for all if the file is not the one with this tag.
  void go_on_after(int64_t bytes, const std::string& tag) {
    add_header(fmt::format("Range: bytes={}-", bytes));
    add_header("If-Range: " + tag);
  }

  /// Returns the status. Errors: Error(io) if no answer came or it broke off.
  long perform() {
    curl_library().set(curl_.get(), CURLOPT_HTTPHEADER, headers_.lines());
    const CURLcode code = curl_library().perform(curl_.get());
    if (stopped_) return status();
    if (code != CURLE_OK) {
      fail(ErrorCode::io, "{}: {}; check the network and try again, it goes on where it was", url_,
           curl_library().message(code));
    }
    return status();
  }

  long status() const {
    long status = 0;
    curl_library().get(curl_.get(), CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  const std::string& tag() const { return tag_; }
  /// Bytes of the body as announced; 0: unknown.
  int64_t announced() const {
    curl_off_t bytes = 0;
    curl_library().get(curl_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &bytes);
    return std::max<int64_t>(bytes, 0);
  }
  bool stopped() const { return stopped_; }

 private:
  static size_t write(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    if (transfer.status() >= 300) return size;  // the text of an error is of no use
    if (transfer.on_body_(data, size)) return size;
    transfer.stopped_ = true;
    return 0;
  }
  static size_t header(char* data, size_t, size_t size, void* self) {
    auto& transfer = *static_cast<Transfer*>(self);
    std::string line(data, size);
    while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.pop_back();
    if (line.starts_with("HTTP/")) transfer.tag_.clear();  // of a redirect before
    if (lower_ascii(line.substr(0, line.find(':'))) == "etag" && line.size() > 6) {
      transfer.tag_ = line.substr(line.find_first_not_of(' ', 5));
    }
    return size;
  }

  std::string url_;
  OnBody on_body_;
  HeaderLines headers_;
  CurlHandle curl_;
  std::string tag_;
  bool stopped_ = false;
};

[[noreturn]] void refuse_status(const std::string& url, long status) {
  const char* advice = "try again later";
  if (status == 401 || status == 403) advice = "it wants a token: set HF_TOKEN";
  if (status == 404) advice = "there is no such file; check the name";
  fail(ErrorCode::io, "{}: the server answers {}; {}", url, status, advice);
}

[[noreturn]] void refuse_write(const fs::path& path) {
  const int reason = errno != 0 ? errno : EIO;
  fail(ErrorCode::io, "cannot write {}: {}; check the path and the free space", path.string(),
       std::strerror(reason));
}

std::string read_small(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A tag by which a server can tell two versions of a file apart for sure (RFC 9110, 13.1.5).
bool is_strong(const std::string& tag) {
  return tag.size() > 2 && tag.front() == '"';
}

}  // namespace

std::string get_text(const Request& request, int64_t most_bytes) {
  std::string text;
  Transfer transfer(request, [&](const char* data, size_t size) {
    text.append(data, size);
    return std::ssize(text) <= most_bytes;
  });
  const long status = transfer.perform();
  if (transfer.stopped()) {
    fail(ErrorCode::io, "{}: the answer has more than {} bytes", request.url, most_bytes);
  }
  if (status != 200) refuse_status(request.url, status);
  return text;
}

void download(const Request& request, const fs::path& path, const std::string& sha256,
              const OnBytes& on_bytes) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path part = path.string() + ".part", tag_file = path.string() + ".part.tag";
  const std::string old_tag = read_small(tag_file);
  int64_t done = 0;
  if (is_strong(old_tag) && fs::exists(part, error)) {
    done = static_cast<int64_t>(fs::file_size(part, error));
  }

  std::ofstream out;
  int64_t total = 0;
  Transfer transfer(request, [&](const char* data, size_t size) {
    if (!out.is_open()) {
      const bool goes_on = transfer.status() == 206;
      if (!goes_on) done = 0;
      total = transfer.announced() > 0 ? done + transfer.announced() : 0;
      errno = 0;
      out.open(part, std::ios::binary | (goes_on ? std::ios::app : std::ios::trunc));
      std::ofstream(tag_file, std::ios::binary) << transfer.tag();
    }
    out.write(data, static_cast<std::streamsize>(size));
    if (!out) refuse_write(part);
    done += static_cast<int64_t>(size);
    return on_bytes(done, total);
  });
  if (done > 0) transfer.go_on_after(done, old_tag);
  const long status = transfer.perform();
  out.close();
  if (transfer.stopped()) {
    fail(ErrorCode::cancelled, "stopped; what is there stays, and the same command goes on");
  }
  // 416: all of it was there already.
  if (status != 200 && status != 206 && !(status == 416 && done > 0)) {
    refuse_status(request.url, status);
  }
  if (!fs::exists(part, error)) fail(ErrorCode::io, "{}: the file is empty", request.url);
  if (!sha256.empty() && sha256_of(part) != sha256) {
    fs::remove(part, error);
    fs::remove(tag_file, error);
    fail(ErrorCode::invalid_file,
         "{}: what came has another sha256 than {}; it was removed, fetch it again", request.url,
         sha256);
  }
  fs::rename(part, path, error);
  if (error) {
    errno = error.value();
    refuse_write(path);
  }
  fs::remove(tag_file, error);
}

std::string sha256_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(ErrorCode::io, "cannot read {}", path.string());
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), std::ssize(buffer)) || file.gcount() > 0) {
    hash.add(std::as_bytes(std::span(buffer).first(static_cast<size_t>(file.gcount()))));
  }
  return hash.finish();
}

}  // namespace lazyllm::store
