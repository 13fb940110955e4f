// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <string>

namespace lazyllm::server {

/// What one client may take of time and memory.
struct ConnectionLimits {
  std::chrono::milliseconds idle{5000};    ///< between two requests
  std::chrono::milliseconds head{10000};   ///< for a request line with its headers
  std::chrono::milliseconds body{60000};   ///< for a body
  std::chrono::milliseconds write{30000};  ///< until a client that does not read counts as gone
  size_t head_bytes = 32 * 1024;
  size_t body_bytes = 8 * 1024 * 1024;
};

/// A client's connection for httplib, which by itself bounds neither the time nor the size of a
/// request as a whole. Used by one thread.
class Connection : public httplib::Stream {
 public:
  /// Does not own the socket.
  Connection(socket_t socket, const ConnectionLimits& limits);

  enum class Head { ready, closed, too_slow, too_large };
  /// Waits for the next request and reads its head. `closed` also when `stop` becomes true or the
  /// connection stayed idle.
  Head read_head(const std::atomic<bool>& stop);

  /// The client went away, or half of the way: it closed its side.
  bool peer_gone() const;
  bool body_too_large() const { return body_too_large_; }
  bool body_too_slow() const { return body_too_slow_; }
  /// Tells the client that nothing more comes and waits shortly for it to have read everything:
  /// closing with unread input would throw away what was sent.
  void close_gently(std::chrono::milliseconds limit);

  // httplib::Stream
  bool is_readable() const override { return true; }
  bool is_writable() const override { return !write_failed_ && !peer_gone(); }
  ssize_t read(char* data, size_t size) override;
  ssize_t write(const char* data, size_t size) override;
  void get_remote_ip_and_port(std::string& ip, int& port) const override;
  void get_local_ip_and_port(std::string& ip, int& port) const override;
  /// httplib compares it with FD_SETSIZE because its own streams use select(); this one uses
  /// poll().
  socket_t socket() const override { return 0; }

 private:
  using Clock = std::chrono::steady_clock;

  bool wait_readable(std::chrono::milliseconds limit) const;
  /// Appends what is there to the buffer: bytes, 0 at the end of input, -1 on an error.
  ssize_t receive();

  socket_t socket_;
  const ConnectionLimits& limits_;
  std::string buffer_;   // received
  size_t next_ = 0;      // of the buffer, not yet read
  size_t head_end_ = 0;  // of the buffer
  size_t body_read_ = 0;
  Clock::time_point body_deadline_{};
  bool body_too_large_ = false, body_too_slow_ = false, write_failed_ = false;
};

}  // namespace lazyllm::server
