// SPDX-License-Identifier: Apache-2.0
#include "server/tls_channel.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <climits>
#include <fstream>

#include "base/error.h"

namespace lazyllm::server {
namespace {

constexpr size_t kReadBytes = 16 * 1024;  // a record's most

/// The oldest failure that OpenSSL noted, and forgets all.
std::string last_reason() {
  const unsigned long code = ERR_get_error();
  const char* reason = code == 0 ? nullptr : ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown error" : reason;
}

/// A server must not ask at its terminal.
int no_password(char*, int, int, void*) {
  return -1;
}

void require_readable(const char* flag, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file || file.peek() == std::ifstream::traits_type::eof()) {
    fail(ErrorCode::io, "{} {}: cannot be read, or is empty; check the path and its rights", flag,
         path);
  }
}

ssl_ctx_st* make_context(const std::string& certificate_file, const std::string& key_file) {
  require_readable("--ssl-cert-file", certificate_file);
  require_readable("--ssl-key-file", key_file);
  ERR_clear_error();
  std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_server_method()),
                                                            SSL_CTX_free);
  if (context == nullptr) fail(ErrorCode::io, "OpenSSL cannot start: {}", last_reason());
  SSL_CTX* const c = context.get();
  SSL_CTX_set_min_proto_version(c, TLS1_2_VERSION);
  SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);  // connections that idle cost little
  SSL_CTX_set_default_passwd_cb(c, no_password);
  if (SSL_CTX_use_certificate_chain_file(c, certificate_file.c_str()) != 1) {
    fail(ErrorCode::usage, "--ssl-cert-file {}: no certificate in PEM's form ({})",
         certificate_file, last_reason());
  }
  if (SSL_CTX_use_PrivateKey_file(c, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    const unsigned long code = ERR_peek_last_error();
    if (ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH && ERR_GET_LIB(code) == ERR_LIB_X509) {
      ERR_clear_error();
      fail(ErrorCode::usage, "--ssl-key-file {}: the key is not the one of the certificate {}",
           key_file, certificate_file);
    }
    fail(ErrorCode::usage,
         "--ssl-key-file {}: no private key in PEM's form without a password ({})", key_file,
         last_reason());
  }
  if (SSL_CTX_check_private_key(c) != 1) {
    ERR_clear_error();
    fail(ErrorCode::usage, "--ssl-key-file {}: the key is not the one of the certificate {}",
         key_file, certificate_file);
  }
  return context.release();
}

}  // namespace

TlsIdentity::TlsIdentity(const std::string& certificate_file, const std::string& key_file)
    : context_(make_context(certificate_file, key_file)) {}

TlsIdentity::~TlsIdentity() {
  SSL_CTX_free(context_);
}

TlsChannel::TlsChannel(std::shared_ptr<const TlsIdentity> identity)
    : identity_(std::move(identity)), ssl_(SSL_new(identity_->context_)) {
  BIO* const in = BIO_new(BIO_s_mem());
  BIO* const out = BIO_new(BIO_s_mem());
  if (ssl_ == nullptr || in == nullptr || out == nullptr) {
    BIO_free(in);
    BIO_free(out);
    SSL_free(ssl_);
    ERR_clear_error();
    throw std::bad_alloc();
  }
  SSL_set_bio(ssl_, in, out);
  SSL_set_accept_state(ssl_);
}

TlsChannel::~TlsChannel() {
  SSL_free(ssl_);
}

bool TlsChannel::receive(std::string_view bytes, std::string& plain) {
  ERR_clear_error();
  if (BIO_write(SSL_get_rbio(ssl_), bytes.data(), static_cast<int>(bytes.size())) !=
      static_cast<int>(bytes.size())) {
    return false;
  }
  std::array<char, kReadBytes> buffer;
  while (true) {  // SSL_read makes the handshake, too
    const int count = SSL_read(ssl_, buffer.data(), static_cast<int>(buffer.size()));
    if (count <= 0) {
      const bool waits = SSL_get_error(ssl_, count) == SSL_ERROR_WANT_READ;
      ERR_clear_error();
      return waits;
    }
    plain.append(buffer.data(), static_cast<size_t>(count));
  }
}

bool TlsChannel::ready() const {
  return SSL_is_init_finished(ssl_) == 1;
}

std::string TlsChannel::seal(std::string_view text) {
  ERR_clear_error();
  while (!text.empty()) {  // into memory, so never in part
    const int piece = static_cast<int>(std::min<size_t>(text.size(), INT_MAX));
    const int count = SSL_write(ssl_, text.data(), piece);
    if (count <= 0) {
      ERR_clear_error();
      take_output();
      return {};
    }
    text.remove_prefix(static_cast<size_t>(count));
  }
  return take_output();
}

void TlsChannel::close() {
  ERR_clear_error();
  if (ready()) SSL_shutdown(ssl_);
  ERR_clear_error();
}

std::string TlsChannel::take_output() {
  BIO* const out = SSL_get_wbio(ssl_);
  std::string bytes(BIO_ctrl_pending(out), '\0');
  if (!bytes.empty()) BIO_read(out, bytes.data(), static_cast<int>(bytes.size()));
  return bytes;
}

}  // namespace lazyllm::server
