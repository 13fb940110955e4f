// SPDX-License-Identifier: Apache-2.0
#include "server/http_server.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <system_error>
#include <thread>
#include <unordered_set>

#include "base/error.h"
#include "server/http_session.h"
#include "server/request_threads.h"

namespace lazyllm::server {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr int kBacklog = 1024;
constexpr rlim_t kSpareDescriptors = 64;  // for model files, snapshots, logs
constexpr std::chrono::milliseconds kAcceptPause(50);

/// As many descriptors as the system lets this process have; returns how many connections that is.
size_t raise_connection_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur > 2 * kSpareDescriptors ? limit.rlim_cur - kSpareDescriptors
                                                : limit.rlim_cur / 2;
}

}  // namespace

struct HttpServer::Implementation {
  explicit Implementation(HttpOptions options)
      : service(std::move(options)), threads(service.options().threads) {}

  void read_certificate();
  void bind();
  void accept();
  void begin(tcp::socket socket);
  void refuse_one();
  void run();

  HttpService service;
  RequestThreads threads;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  asio::steady_timer pause{io};
  std::optional<asio::executor_work_guard<asio::io_context::executor_type>> work;
  std::unordered_set<std::shared_ptr<HttpSession>> sessions;
  size_t most_connections = 0;
  int spare_descriptor = -1;  // given up to take and close a connection when all others are used
  bool stopping = false;
  std::thread thread;
  int port = 0;
  std::shared_ptr<const TlsIdentity> identity;  // by atomic access; null: plain HTTP
};

void HttpServer::Implementation::read_certificate() {
  const HttpOptions& options = service.options();
  if (options.certificate_file.empty() != options.key_file.empty()) {
    fail(ErrorCode::usage, "--ssl-cert-file and --ssl-key-file belong together; give both");
  }
  if (options.certificate_file.empty()) return;
  std::atomic_store(
      &identity, std::make_shared<const TlsIdentity>(options.certificate_file, options.key_file));
}

void HttpServer::Implementation::bind() {
  const HttpOptions& options = service.options();
  const auto refuse = [&](const error_code& error) {
    if (error == asio::error::address_in_use) {
      fail(ErrorCode::io, "port {} of {} is in use; stop the other server or write another --port",
           options.port, options.host);
    }
    fail(ErrorCode::io, "cannot listen on port {} of {}: {}; check --host and --port", options.port,
         options.host, error.message());
  };
  error_code error;
  tcp::resolver resolver(io);
  const auto addresses =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
  if (error || addresses.empty()) {
    fail(ErrorCode::io, "cannot listen on port {} of {}: no such address here; check --host",
         options.port, options.host);
  }
  const tcp::endpoint endpoint = addresses.begin()->endpoint();
  acceptor.open(endpoint.protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(kBacklog, error);
  if (error) refuse(error);
  port = acceptor.local_endpoint().port();
}

void HttpServer::Implementation::accept() {
  acceptor.async_accept([this](const error_code& error, tcp::socket socket) {
    if (stopping) return;
    if (!error) {
      begin(std::move(socket));
      return accept();
    }
    // Nothing that happens here ends the server: a client that left again, no descriptors, no
    // memory.
    if (error == asio::error::no_descriptors ||
        error == boost::system::errc::too_many_files_open_in_system)
      refuse_one();
    pause.expires_after(kAcceptPause);
    pause.async_wait([this](const error_code&) {
      if (!stopping) accept();
    });
  });
}

void HttpServer::Implementation::begin(tcp::socket socket) {
  if (sessions.size() >= most_connections) return;  // the socket closes
  try {
    const auto shown = std::atomic_load(&identity);
    auto session = std::make_shared<HttpSession>(
        std::move(socket), service, threads,
        [this](const std::shared_ptr<HttpSession>& closed) { sessions.erase(closed); },
        shown ? std::make_unique<TlsChannel>(shown) : nullptr);
    session->start();  // before it is known: one that cannot start is gone with its socket
    sessions.insert(session);
  } catch (const std::exception&) {  // no memory for one more
  }
}

void HttpServer::Implementation::refuse_one() {
  if (spare_descriptor < 0) return;
  ::close(spare_descriptor);
  const int taken = ::accept4(acceptor.native_handle(), nullptr, nullptr, SOCK_NONBLOCK);
  if (taken >= 0) ::close(taken);
  spare_descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void HttpServer::Implementation::run() {
  while (true) {
    try {
      io.run();
      return;
    } catch (const std::exception& error) {  // of one connection; its session lets go of it
      write_log(LogLine("error", "connection").add("why", error.what()));
    }
  }
}

HttpServer::HttpServer(HttpOptions options)
    : implementation_(std::make_unique<Implementation>(std::move(options))) {}

HttpServer::~HttpServer() {
  stop();
  if (implementation_->spare_descriptor >= 0) ::close(implementation_->spare_descriptor);
}

void HttpServer::route(const std::string& method, const std::string& path, Route route) {
  implementation_->service.route(method, path, std::move(route));
}

void HttpServer::start() {
  Implementation& self = *implementation_;
  self.read_certificate();
  self.bind();
  self.most_connections = raise_connection_limit();
  self.spare_descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  self.work.emplace(self.io.get_executor());
  self.accept();
  try {
    self.thread = std::thread([&self] { self.run(); });
  } catch (const std::system_error& error) {
    fail(ErrorCode::overloaded,
         "the system gave no thread for connections ({}); end other programs or raise the limit of "
         "processes (ulimit -u)",
         error.what());
  }
}

void HttpServer::stop() {
  Implementation& self = *implementation_;
  if (!self.thread.joinable()) return;
  asio::post(self.io, [&self] {
    self.stopping = true;
    error_code ignored;
    self.acceptor.close(ignored);
    self.pause.cancel();
    const auto open = self.sessions;  // stop() takes them out
    for (const auto& session : open) session->stop();
    self.work.reset();  // the thread ends with the last connection
  });
  self.thread.join();
  self.threads.join();
}

void HttpServer::set_api_keys(const std::vector<std::string>& keys) {
  implementation_->service.set_api_keys(keys);
}

void HttpServer::reload_certificate() {
  implementation_->read_certificate();
}

int HttpServer::port() const {
  return implementation_->port;
}

}  // namespace lazyllm::server
