// SPDX-License-Identifier: Apache-2.0
#include "server/http_session.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http.hpp>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "server/http_head_check.h"

namespace lazyllm::server {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;
using std::chrono::milliseconds;

constexpr size_t kReceiveBytes = 16 * 1024;
constexpr size_t kMostDrainedBytes = 32 * 1024 * 1024;
/// Bytes of a chunked body that are no content, beside a quarter of its limit.
constexpr size_t kChunkAllowance = 64 * 1024;

bool is_sane_id(const std::string& id) {
  if (id.empty() || id.size() > 64) return false;
  return id.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
         std::string::npos;
}

std::string_view reason_of(int status) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(status));
  return {reason.data(), reason.size()};
}

}  // namespace

/// Beast's parser, fed with the bytes as they come.
class HttpSession::Parser : public http::request_parser<http::string_body> {};

/// Carries a stream from the thread of its handler to the socket, one piece at a time, so that a
/// slow reader slows the writer down and fills no memory.
class HttpSession::Sink final : public HttpSink {
 public:
  Sink(std::shared_ptr<HttpSession> session, bool chunked)
      : session_(std::move(session)), chunked_(chunked) {}

  bool write(std::string_view text) override {
    if (text.empty()) return !broken_;
    return send_raw(chunked_ ? fmt::format("{:x}\r\n{}\r\n", text.size(), text)
                             : std::string(text));
  }

  bool send_raw(std::string text) {
    if (broken_) return false;
    std::mutex mutex;
    std::condition_variable changed;
    bool done = false, sent = false;
    asio::post(session_->socket_.get_executor(), [&, text = std::move(text)]() mutable {
      session_->send(std::move(text), [&](bool ok) {
        const std::lock_guard lock(mutex);
        done = true;
        sent = ok;
        changed.notify_one();
      });
    });
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return done; });
    broken_ = !sent;
    return sent;
  }

  bool broken() const { return broken_; }

 private:
  std::shared_ptr<HttpSession> session_;
  bool chunked_, broken_ = false;
};

HttpSession::HttpSession(Socket socket, const HttpService& service, RequestThreads& threads,
                         std::function<void(const std::shared_ptr<HttpSession>&)> on_closed,
                         std::unique_ptr<TlsChannel> tls)
    : socket_(std::move(socket)),
      tls_(std::move(tls)),
      descriptor_(socket_.native_handle()),
      service_(service),
      threads_(threads),
      on_closed_(std::move(on_closed)),
      timer_(socket_.get_executor()) {}

HttpSession::~HttpSession() = default;

bool HttpSession::gone() const {
  pollfd descriptor{descriptor_, POLLRDHUP, 0};
  return ::poll(&descriptor, 1, 0) > 0 &&
         (descriptor.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void HttpSession::start() {
  error_code error;
  socket_.non_blocking(true, error);
  socket_.set_option(asio::ip::tcp::no_delay(true), error);
  const auto endpoint = socket_.remote_endpoint(error);
  if (!error) remote_ = endpoint.address().to_string(error);
  const HttpLimits& limits = service_.options().limits;
  if (tls_) {
    enter(State::handshake, limits.head);
  } else {
    enter(State::idle, limits.idle);
  }
  wait_for_input();
}

void HttpSession::stop() {
  stopping_ = true;
  if (state_ == State::handshake || state_ == State::idle || state_ == State::head ||
      state_ == State::body)
    close();
}

void HttpSession::enter(State state, milliseconds limit) {
  state_ = state;
  const uint64_t number = ++timer_number_;
  timer_.expires_after(limit);
  timer_.async_wait([self = shared_from_this(), number](const error_code& error) {
    if (!error && number == self->timer_number_) self->on_time_limit();
  });
}

void HttpSession::on_time_limit() {
  switch (state_) {
    case State::head:
    case State::body:
      if (answers_tls_) return close();  // it does not read
      return turn_away(408);
    case State::writing:
    case State::answering: {  // a client that does not read; the descriptor stays ours
      error_code ignored;
      socket_.shutdown(Socket::shutdown_both, ignored);
      socket_.cancel(ignored);
      return;
    }
    case State::handshake:
    case State::idle:
    case State::lingering:
    case State::closed:
      return close();
  }
}

void HttpSession::wait_for_input() {
  if (reads_ || state_ == State::closed) return;
  reads_ = true;
  socket_.async_wait(Socket::wait_read, [self = shared_from_this()](const error_code& error) {
    self->reads_ = false;
    if (error) return self->close();
    self->on_input();
  });
}

bool HttpSession::receive() {
  std::array<char, kReceiveBytes> bytes;
  error_code error;
  const size_t count = socket_.read_some(asio::buffer(bytes), error);
  if (error == asio::error::would_block || error == asio::error::try_again) return true;
  if (error) return false;
  if (tls_) return tls_->receive({bytes.data(), count}, input_);
  input_.append(bytes.data(), count);
  return true;
}

void HttpSession::on_input() {
  if (state_ == State::answering || state_ == State::writing || state_ == State::closed) return;
  if (state_ == State::lingering) input_.clear();
  if (state_ == State::handshake && speaks_plainly()) {
    tls_.reset();
    return turn_away(invalid_request(
        "", "this port speaks HTTPS: write https:// before the address", "https_wanted"));
  }
  if (!receive()) return close();
  std::string own = tls_ ? tls_->take_output() : std::string();
  if (!own.empty()) return answer_tls(std::move(own));
  on_received();
}

/// A record of TLS never begins with a letter, a request of HTTP always does.
bool HttpSession::speaks_plainly() const {
  if (handshake_begun_) return false;
  char first = 0;
  return ::recv(descriptor_, &first, 1, MSG_PEEK | MSG_DONTWAIT) == 1 && first >= 'A' &&
         first <= 'Z';
}

void HttpSession::answer_tls(std::string bytes) {
  answers_tls_ = true;
  output_ = std::move(bytes);
  asio::async_write(socket_, asio::buffer(output_),
                    [self = shared_from_this()](const error_code& error, size_t) {
                      self->answers_tls_ = false;
                      if (error) return self->close();
                      self->on_received();
                    });
}

void HttpSession::say_farewell() {
  if (!tls_ || answers_tls_ || state_ == State::writing) return;  // in the middle of a record
  tls_->close();
  const std::string bytes = tls_->take_output();
  error_code ignored;
  if (!bytes.empty()) socket_.write_some(asio::buffer(bytes), ignored);
}

void HttpSession::on_received() {
  switch (state_) {
    case State::handshake:
      handshake_begun_ = true;
      if (!tls_->ready()) return wait_for_input();
      enter(State::idle, service_.options().limits.idle);
      return read_head();
    case State::idle:
    case State::head:
      return read_head();
    case State::body:
      return read_body();
    case State::lingering:
      if ((drained_ += input_.size()) > kMostDrainedBytes) return close();
      return wait_for_input();
    case State::answering:
    case State::writing:
    case State::closed:
      return;
  }
}

void HttpSession::read_head() {
  if (input_.empty()) return wait_for_input();
  const HttpLimits& limits = service_.options().limits;
  if (state_ != State::head) enter(State::head, limits.head);
  const size_t end = input_.find("\r\n\r\n", searched_);
  if (end != std::string::npos && end + 4 <= limits.head_bytes) return begin_request(end + 4);
  if (input_.size() > limits.head_bytes) return turn_away(431);
  searched_ = input_.size() < 3 ? 0 : input_.size() - 3;
  wait_for_input();
}

void HttpSession::begin_request(size_t head_bytes) {
  request_begin_ = Clock::now();
  searched_ = 0;
  if (const int status = check_http_head(std::string_view(input_).substr(0, head_bytes))) {
    return turn_away(status);
  }
  const HttpLimits& limits = service_.options().limits;
  parser_ = std::make_unique<Parser>();
  parser_->header_limit(static_cast<uint32_t>(limits.head_bytes + 1));
  parser_->body_limit(UINT64_MAX);  // who may send is decided first
  error_code error;
  parser_->put(asio::buffer(input_.data(), head_bytes), error);
  if ((error && error != http::error::need_more) || !parser_->is_header_done()) {
    return turn_away(400);
  }
  input_.erase(0, head_bytes);

  const auto& head = parser_->get();
  exchange_ = std::make_unique<Exchange>(Exchange{*this, {}, {}, new_request_id(), {}});
  HttpRequest& request = exchange_->request;
  const auto text = [](const auto& view) { return std::string(view.data(), view.size()); };
  request.method = text(head.method_string());
  request.version_1_0 = head.version() == 10;
  request.remote = remote_;
  const std::string target = text(head.target());
  request.path = target.substr(0, target.find('?'));
  if (request.path.size() < target.size()) request.query = target.substr(request.path.size() + 1);
  for (const auto& field : head) request.fields.add(text(field.name_string()), text(field.value()));
  if (const std::string given = request.fields.get("X-Request-Id"); is_sane_id(given)) {
    exchange_->id = given;
  }
  exchange_->log.add("request", exchange_->id)
      .add("remote", remote_)
      .add("method", request.method)
      .add("path", request.path);

  closes_ = !request.keeps_alive();
  decision_ = service_.decide(request);
  const bool reads_body = request.has_body() && !decision_.refusal && request.method == "POST";
  if (!reads_body) {
    closes_ = closes_ || request.has_body();  // what is not read would be taken for a request
    return dispatch();
  }
  parser_->body_limit(limits.body_bytes);
  parser_->eager(true);
  body_bytes_ = 0;
  enter(State::body, limits.body);
  if (request.fields.find("Expect") == nullptr || request.version_1_0) return read_body();
  send("HTTP/1.1 100 Continue\r\n\r\n", [this, limit = limits.body](bool sent) {
    if (!sent) return close();
    enter(State::body, limit);
    read_body();
  });
}

void HttpSession::read_body() {
  const HttpLimits& limits = service_.options().limits;
  while (!input_.empty() && !parser_->is_done()) {
    error_code error;
    const size_t used = parser_->put(asio::buffer(input_), error);
    if (error == http::error::body_limit) return turn_away(413);
    if (error && error != http::error::need_more) return turn_away(400);
    input_.erase(0, used);
    body_bytes_ += used;
    if (used == 0) break;
  }
  // Chunks carry some bytes more than their content.
  const size_t most = limits.body_bytes + limits.body_bytes / 4 + kChunkAllowance;
  if (body_bytes_ > most || parser_->get().body().size() > limits.body_bytes) return turn_away(413);
  if (!parser_->is_done()) {
    if (input_.size() > limits.head_bytes) return turn_away(400);  // an endless line of a chunk
    return wait_for_input();
  }
  exchange_->body = std::move(parser_->get().body());
  dispatch();
}

void HttpSession::dispatch() {
  state_ = State::answering;
  ++timer_number_;  // an answer takes its time; only sending is limited
  timer_.cancel();
  parser_.reset();
  if (decision_.refusal || decision_.route->quick) {
    service_.answer(*exchange_, decision_);
    return send_response();
  }
  // Between two pieces of an answer nothing waits for the network: the server's thread must not end
  // for that.
  auto busy = asio::make_work_guard(socket_.get_executor());
  if (threads_.try_run([self = shared_from_this(), busy] { self->run_handler(); })) return;
  decision_.refusal = error_of_status(503);
  service_.answer(*exchange_, decision_);
  send_response();
}

/// On a thread of its own.
void HttpSession::run_handler() {
  service_.answer(*exchange_, decision_);
  const auto executor = socket_.get_executor();
  const HttpRequest& request = exchange_->request;
  if (!exchange_->response.stream || request.method == "HEAD") {
    asio::post(executor, [self = shared_from_this()] { self->send_response(); });
    return;
  }
  const bool chunked = !request.version_1_0;
  closes_ = closes_ || !chunked;
  Sink sink(shared_from_this(), chunked);
  bool whole = true;
  try {
    if (sink.send_raw(head_of_response(chunked))) exchange_->response.stream(sink);
  } catch (const std::exception&) {
    whole = false;  // in the middle of a stream nothing can be said: it ends without its end
  }
  exchange_->response.stream = nullptr;
  if (chunked && whole) sink.send_raw("0\r\n\r\n");
  asio::post(executor, [self = shared_from_this(), sent = whole && !sink.broken()] {
    self->finish_request(sent);
  });
}

std::string HttpSession::head_of_response(bool chunked) const {
  const HttpResponse& response = exchange_->response;
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason_of(response.status));
  for (const auto& [name, value] : response.fields.all()) {
    head += fmt::format("{}: {}\r\n", name, value);
  }
  const bool bodyless = response.status == 204 || response.status == 304;
  if (chunked) {
    head += "Transfer-Encoding: chunked\r\n";
  } else if (!response.stream && !bodyless) {
    head += fmt::format("Content-Length: {}\r\n", response.body.size());
  }
  head += closes_ || stopping_ ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n";
  return head;
}

void HttpSession::send_response() {
  exchange_->response.stream = nullptr;
  std::string text = head_of_response(/*chunked=*/false);
  const int status = exchange_->response.status;
  const bool bodyless = exchange_->request.method == "HEAD" || status == 204 || status == 304;
  if (!bodyless) text += exchange_->response.body;
  send(std::move(text), [this](bool sent) { finish_request(sent); });
}

/// One piece at a time.
void HttpSession::send(std::string text, std::function<void(bool sent)> then) {
  output_ = tls_ ? tls_->seal(text) : std::move(text);
  if (tls_ && output_.empty()) return then(false);
  after_output_ = std::move(then);
  enter(State::writing, service_.options().limits.write);
  asio::async_write(socket_, asio::buffer(output_),
                    [self = shared_from_this()](const error_code& error, size_t) {
                      ++self->timer_number_;
                      self->timer_.cancel();
                      if (self->state_ == State::writing) self->state_ = State::answering;
                      std::exchange(self->after_output_, nullptr)(!error);
                    });
}

void HttpSession::finish_request(bool sent) {
  const bool known = decision_.route != nullptr;
  service_.finish(*exchange_, known ? decision_.path : "",
                  std::chrono::duration<double>(Clock::now() - request_begin_).count());
  exchange_.reset();
  if (!sent || state_ == State::closed) return close();
  if (closes_ || stopping_) return linger();
  enter(State::idle, service_.options().limits.idle);
  read_head();  // the next one may be here already
}

/// Says why and closes: where a request ends is not known any more.
void HttpSession::turn_away(int status) {
  turn_away(error_of_status(status));
}

void HttpSession::turn_away(const RequestError& refusal) {
  closes_ = true;
  parser_.reset();
  if (exchange_ == nullptr) {
    exchange_ = std::make_unique<Exchange>(Exchange{*this, {}, {}, new_request_id(), {}});
    exchange_->log.add("remote", remote_);
    request_begin_ = Clock::now();
    decision_ = {};
  }
  decision_.refusal = refusal;
  service_.answer(*exchange_, decision_);
  send_response();
}

/// Tells the client that nothing more comes and waits shortly for it to have read everything:
/// closing with unread input would throw away what was sent.
void HttpSession::linger() {
  error_code error;
  say_farewell();
  socket_.shutdown(Socket::shutdown_send, error);
  if (error) return close();
  drained_ = 0;
  const milliseconds limit = service_.options().limits.linger;
  enter(State::lingering, stopping_ ? std::min(limit, milliseconds(200)) : limit);
  wait_for_input();
}

void HttpSession::close() {
  if (state_ == State::closed) return;
  if (state_ != State::lingering) say_farewell();  // there it is said
  state_ = State::closed;
  ++timer_number_;
  timer_.cancel();
  error_code ignored;
  socket_.shutdown(Socket::shutdown_both, ignored);
  socket_.cancel(ignored);
  std::exchange(on_closed_, nullptr)(shared_from_this());
}

}  // namespace lazyllm::server
