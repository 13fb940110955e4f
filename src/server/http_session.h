// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "server/http_service.h"
#include "server/request_threads.h"
#include "server/tls_channel.h"

namespace lazyllm::server {

/// One client's connection: reads a request, has it answered, and begins again. Everything here
/// runs on the one thread of the io_context and never waits; a handler runs on a thread of its own
/// for as long as it takes, and its stream comes back here piece by piece.
///
///   [handshake ->] idle -> head -> body -> answering -> writing -> idle, or lingering -> closed
///
/// Each state has its time limit. Between requests a connection costs its socket and this object.
class HttpSession : public std::enable_shared_from_this<HttpSession>, private Peer {
 public:
  using Socket = boost::asio::ip::tcp::socket;

  /// `tls`: null where the client speaks plain HTTP.
  HttpSession(Socket socket, const HttpService& service, RequestThreads& threads,
              std::function<void(const std::shared_ptr<HttpSession>&)> on_closed,
              std::unique_ptr<TlsChannel> tls = nullptr);
  ~HttpSession() override;

  void start();
  /// A connection without a request in work closes; one with a request closes behind it.
  void stop();

 private:
  using Clock = std::chrono::steady_clock;
  class Parser;
  class Sink;
  enum class State { handshake, idle, head, body, answering, writing, lingering, closed };

  bool gone() const override;

  void enter(State state, std::chrono::milliseconds limit);
  void on_time_limit();
  void wait_for_input();
  void on_input();
  void on_received();
  bool speaks_plainly() const;
  /// Sends what TLS itself has to say, then goes on as on_received() does.
  void answer_tls(std::string bytes);
  /// The last words of TLS, if the socket takes them at once.
  void say_farewell();
  /// Appends what is there to input_; false at the end or on an error.
  bool receive();
  void read_head();
  void begin_request(size_t head_bytes);
  void read_body();
  void dispatch();
  void run_handler();
  void send_response();
  void send(std::string text, std::function<void(bool sent)> then);
  void finish_request(bool sent);
  void turn_away(int status);
  void turn_away(const RequestError& error);
  void linger();
  void close();

  std::string head_of_response(bool chunked) const;

  Socket socket_;
  std::unique_ptr<TlsChannel> tls_;
  int descriptor_;  // stays open as long as this object
  const HttpService& service_;
  RequestThreads& threads_;
  std::function<void(const std::shared_ptr<HttpSession>&)> on_closed_;
  boost::asio::steady_timer timer_;
  uint64_t timer_number_ = 0;
  State state_ = State::idle;
  bool stopping_ = false, closes_ = false;
  bool reads_ = false;  // a wait for input is under way
  bool handshake_begun_ = false;
  bool answers_tls_ = false;  // bytes of answer_tls() are under way
  std::string remote_;

  std::string input_;  // received, not yet used
  size_t searched_ = 0, body_bytes_ = 0, drained_ = 0;
  std::unique_ptr<Parser> parser_;
  std::unique_ptr<Exchange> exchange_;
  HttpService::Decision decision_;
  Clock::time_point request_begin_{};
  std::string output_;
  std::function<void(bool)> after_output_;
};

}  // namespace lazyllm::server
