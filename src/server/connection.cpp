// SPDX-License-Identifier: Apache-2.0
#include "server/connection.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace lazyllm::server {
namespace {

constexpr size_t kReceiveBytes = 16 * 1024;
constexpr std::chrono::milliseconds kSlice(100);  // how soon a stop is noticed
constexpr size_t kMostDrainedBytes = 32 * 1024 * 1024;

std::chrono::milliseconds until(std::chrono::steady_clock::time_point deadline) {
  return std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
}

short poll_for(socket_t socket, short events, std::chrono::milliseconds limit) {
  pollfd descriptor{socket, events, 0};
  const int milliseconds = static_cast<int>(std::clamp<int64_t>(limit.count(), 0, 1 << 30));
  int ready = 0;
  do {
    ready = ::poll(&descriptor, 1, milliseconds);
  } while (ready < 0 && errno == EINTR);
  return ready > 0 ? descriptor.revents : short{0};
}

void describe(const sockaddr_storage& address, std::string& ip, int& port) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    port = ntohs(v4.sin_port);
  } else if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    port = ntohs(v6.sin6_port);
  }
  ip = text;
}

}  // namespace

Connection::Connection(socket_t socket, const ConnectionLimits& limits)
    : socket_(socket), limits_(limits) {}

bool Connection::wait_readable(std::chrono::milliseconds limit) const {
  return poll_for(socket_, POLLIN, limit) != 0;
}

ssize_t Connection::receive() {
  const size_t size = buffer_.size();
  buffer_.resize(size + kReceiveBytes);
  ssize_t received = 0;
  do {
    received = ::recv(socket_, buffer_.data() + size, kReceiveBytes, MSG_DONTWAIT);
  } while (received < 0 && errno == EINTR);
  buffer_.resize(size + static_cast<size_t>(std::max<ssize_t>(received, 0)));
  return received;
}

Connection::Head Connection::read_head(const std::atomic<bool>& stop) {
  buffer_.erase(0, next_);
  next_ = 0;
  body_read_ = 0;
  const Clock::time_point idle_end = Clock::now() + limits_.idle;
  while (buffer_.empty()) {
    if (stop || Clock::now() >= idle_end) return Head::closed;
    if (!wait_readable(std::min(kSlice, until(idle_end)))) continue;
    if (receive() <= 0) return Head::closed;
  }
  const Clock::time_point deadline = Clock::now() + limits_.head;
  for (size_t searched = 0;;) {
    const size_t end = buffer_.find("\r\n\r\n", searched);
    if (end != std::string::npos && end + 4 <= limits_.head_bytes) {
      head_end_ = end + 4;
      body_deadline_ = Clock::now() + limits_.body;
      return Head::ready;
    }
    if (buffer_.size() > limits_.head_bytes) return Head::too_large;
    searched = buffer_.size() < 3 ? 0 : buffer_.size() - 3;
    while (!wait_readable(std::min(kSlice, until(deadline)))) {
      if (stop) return Head::closed;
      if (Clock::now() >= deadline) return Head::too_slow;
    }
    if (receive() <= 0) return Head::closed;
  }
}

ssize_t Connection::read(char* data, size_t size) {
  if (next_ == buffer_.size()) {
    buffer_.clear();
    next_ = 0;
    head_end_ = 0;
    // Chunked bodies carry some bytes more than their content.
    if (body_read_ > limits_.body_bytes + limits_.body_bytes / 4) {
      body_too_large_ = true;
      return -1;
    }
    if (!wait_readable(until(body_deadline_))) {
      body_too_slow_ = true;
      return -1;
    }
    const ssize_t received = receive();
    if (received <= 0) return received;
  }
  const size_t taken = std::min(size, buffer_.size() - next_);
  std::memcpy(data, buffer_.data() + next_, taken);
  next_ += taken;
  if (next_ > head_end_) body_read_ += std::min(taken, next_ - head_end_);
  return static_cast<ssize_t>(taken);
}

ssize_t Connection::write(const char* data, size_t size) {
  if (write_failed_) return -1;
  const Clock::time_point deadline = Clock::now() + limits_.write;
  size_t sent = 0;
  while (sent < size) {
    const ssize_t count = ::send(socket_, data + sent, size - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (count > 0) {
      sent += static_cast<size_t>(count);
      continue;
    }
    if (count < 0 && errno == EINTR) continue;
    const bool full = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    if (!full || (poll_for(socket_, POLLOUT, until(deadline)) & POLLOUT) == 0) {
      write_failed_ = true;
      return -1;
    }
  }
  return static_cast<ssize_t>(sent);
}

bool Connection::peer_gone() const {
  const short events = poll_for(socket_, POLLRDHUP, std::chrono::milliseconds(0));
  return (events & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0;
}

void Connection::close_gently(std::chrono::milliseconds limit) {
  ::shutdown(socket_, SHUT_WR);
  const Clock::time_point deadline = Clock::now() + limit;
  for (size_t drained = 0; drained < kMostDrainedBytes; drained += buffer_.size()) {
    buffer_.clear();
    const auto left = until(deadline);
    if (left.count() <= 0 || !wait_readable(left) || receive() <= 0) return;
  }
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    describe(address, ip, port);
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    describe(address, ip, port);
}

}  // namespace lazyllm::server
