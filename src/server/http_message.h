// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/request_error.h"
#include "server/request_log.h"

namespace lazyllm::server {

/// How soon work in slices notices that its client went away.
constexpr std::chrono::milliseconds kNoticeGone{50};

/// Header fields in the order they came; names without regard to case.
class HttpFields {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  /// The first of this name, or null.
  const std::string* find(std::string_view name) const;
  /// The first of this name, or nothing.
  std::string get(std::string_view name) const;
  const std::vector<std::pair<std::string, std::string>>& all() const { return fields_; }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

struct HttpRequest {
  std::string method, path, query;  ///< path and query as they came
  bool version_1_0 = false;
  HttpFields fields;
  std::string remote;  ///< address of the client

  /// Of the query, with %XX resolved; nothing where it is not there.
  std::string query_value(std::string_view name) const;
  bool has_body() const;
  /// Whether the client wants to go on with this connection.
  bool keeps_alive() const;
};

/// Where a streamed answer goes.
class HttpSink {
 public:
  virtual ~HttpSink() = default;
  /// Waits until the text is sent; false: the client is gone or does not read.
  virtual bool write(std::string_view text) = 0;
};

struct HttpResponse {
  int status = 200;
  HttpFields fields;
  std::string body;
  /// Instead of `body`: sends the answer piece by piece, then returns.
  std::function<void(HttpSink& sink)> stream;

  void set_content(std::string content, std::string type);
  void set_stream(std::string type, std::function<void(HttpSink& sink)> writer);
  void set_header(std::string name, std::string value) {
    fields.add(std::move(name), std::move(value));
  }
};

/// Whether somebody still listens. Thread-safe.
class Peer {
 public:
  virtual ~Peer() = default;
  /// The client went away, or half of the way: it closed its side.
  virtual bool gone() const = 0;
};

/// One request with what will be said to it. Lives until the last byte is sent.
struct Exchange {
  const Peer& peer;
  HttpRequest request;
  HttpResponse response;
  std::string id;
  std::string body;
  std::string path_rest{};  ///< what stands in the path for the {name} of a route
  /// An error as a body in the form of the route's protocol.
  ErrorText error_text = openai_error;
  LogLine log{"info", "request"};  ///< handlers add what they know
};

/// With %XX resolved; what is no such sequence stays. `plus`: '+' is a space, as in queries.
std::string percent_decoded(std::string_view text, bool plus);

}  // namespace lazyllm::server
