// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;
struct ssl_st;

namespace lazyllm::server {

/// The certificate and the key that a server shows. Immutable; shared by its connections.
class TlsIdentity {
 public:
  /// PEM files; the certificate's may hold the chain behind it.
  /// Errors: Error(io | usage) that names the file and says what is wrong with it.
  TlsIdentity(const std::string& certificate_file, const std::string& key_file);
  ~TlsIdentity();
  TlsIdentity(const TlsIdentity&) = delete;
  TlsIdentity& operator=(const TlsIdentity&) = delete;

 private:
  friend class TlsChannel;
  ssl_ctx_st* context_;
};

/// The server's side of TLS (1.2 and 1.3) on one connection, without its socket: what came in goes
/// to receive(), what is to go out comes from seal() and take_output(). One thread at a time.
class TlsChannel {
 public:
  explicit TlsChannel(std::shared_ptr<const TlsIdentity> identity);
  ~TlsChannel();
  TlsChannel(const TlsChannel&) = delete;
  TlsChannel& operator=(const TlsChannel&) = delete;

  /// Appends to `plain` what the client's bytes say. False: it said good-bye, or broke the rules;
  /// take_output() has what it may be told of that.
  bool receive(std::string_view bytes, std::string& plain);
  /// The handshake is over.
  bool ready() const;
  /// The bytes that carry a text. Empty: it cannot be sent any more.
  std::string seal(std::string_view text);
  /// Says good-bye, into take_output().
  void close();
  /// What is to be sent for the protocol's own sake; often nothing.
  std::string take_output();

 private:
  std::shared_ptr<const TlsIdentity> identity_;
  ssl_st* ssl_;
};

}  // namespace lazyllm::server
