// SPDX-License-Identifier: Apache-2.0
// Any bytes on a connection: heads, bodies with a length or in chunks, requests one behind the
// other. What the handlers get depends on the bytes alone, not on the pieces in which they arrive,
// and stays within the limits; the connection ends when the client does.
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/http_session.h"
#include "server/request_log.h"

using namespace lazyllm::server;

namespace {

constexpr size_t kMostBody = 4096;

/// The requests that reached a handler, as text.
using Requests = std::vector<std::string>;

class Connection {
 public:
  Connection() : service_(options()), threads_(0) {
    const Route route{.handler = [this](Exchange& exchange) { note(exchange); }, .quick = true};
    for (const char* method : {"GET", "POST", "HEAD"}) service_.route(method, "/{rest}", route);
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends_) != 0) std::abort();
    HttpSession::Socket socket(context_);
    socket.assign(boost::asio::ip::tcp::v4(), ends_[0]);
    std::make_shared<HttpSession>(std::move(socket), service_, threads_, [this](const auto&) {
      closed_ = true;
    })->start();
  }

  void send(std::string_view bytes) {
    while (!bytes.empty() && !closed_) {
      const ssize_t sent =
          ::send(ends_[1], bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent > 0) bytes.remove_prefix(static_cast<size_t>(sent));
      run();
      if (sent <= 0 && errno != EAGAIN) return;
    }
  }

  Requests finish() {
    ::close(ends_[1]);
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!closed_) {
      context_.restart();
      context_.run_one_for(std::chrono::milliseconds(10));
      if (std::chrono::steady_clock::now() > limit) std::abort();  // it hangs
    }
    context_.restart();
    context_.run_for(std::chrono::milliseconds(0));
    return std::move(requests_);
  }

 private:
  static HttpOptions options() {
    HttpOptions options;
    options.limits.head_bytes = 2048;
    options.limits.body_bytes = kMostBody;
    return options;
  }

  void note(Exchange& exchange) {
    if (exchange.body.size() > kMostBody) std::abort();
    const HttpRequest& request = exchange.request;
    requests_.push_back(request.method + ' ' + request.path + '?' + request.query + '\n' +
                        exchange.body);
    exchange.response.set_content("ok", "text/plain");
  }

  void run() {
    char answer[4096];
    do {
      context_.restart();
    } while (context_.poll() > 0 || ::recv(ends_[1], answer, sizeof answer, MSG_DONTWAIT) > 0);
  }

  boost::asio::io_context context_;
  HttpService service_;
  RequestThreads threads_;
  int ends_[2];
  bool closed_ = false;
  Requests requests_;
};

}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  set_log("/dev/null", LogFormat::text);
  return 0;
}

/// The first byte says how long the pieces are; 0: all at once.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  Connection whole, pieces;
  whole.send(bytes);
  const size_t piece = data[0] == 0 ? bytes.size() : data[0];
  for (size_t i = 0; i < bytes.size(); i += piece) pieces.send(bytes.substr(i, piece));
  if (whole.finish() != pieces.finish()) std::abort();
  return 0;
}
