// SPDX-License-Identifier: Apache-2.0
// What the server says to clients that behave badly, over real sockets.
#include "server/http_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <thread>

namespace lazyllm::server {
namespace {

using namespace std::string_literals;

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Client {
 public:
  explicit Client(int port) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    EXPECT_EQ(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ~Client() { ::close(socket_); }

  Client& send(const std::string& text) {
    for (size_t sent = 0; sent < text.size();) {
      const ssize_t count = ::send(socket_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    return *this;
  }
  /// Until the server closes, or `end` is seen.
  std::string receive(const std::string& end = "") {
    std::string text;
    char buffer[4096];
    while (end.empty() || text.find(end) == std::string::npos) {
      const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
      if (count <= 0) break;
      text.append(buffer, static_cast<size_t>(count));
    }
    return text;
  }

 private:
  int socket_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    options_.port = 0;
    options_.limits.idle = milliseconds(300);
    options_.limits.head = milliseconds(300);
    options_.limits.body = milliseconds(300);
    options_.limits.body_bytes = 1000;
    options_.limits.linger = milliseconds(500);
    options_.api_keys = {"secret"};
    options_.on_finished = [this](const std::string&, int status, double) {
      last_status_ = status;
    };
  }

  void start() {
    server_ = std::make_unique<HttpServer>(options_);
    server_->route("GET", "/open",
                   {[](Exchange& e) { e.response.set_content("open", "text/plain"); }, true});
    server_->route("POST", "/echo",
                   {[](Exchange& e) { e.response.set_content(e.body, "text/plain"); }});
    server_->route(
        "GET", "/quick",
        {[](Exchange& e) { e.response.set_content("quick", "text/plain"); }, true, true});
    server_->route("GET", "/stream",
                   {[](Exchange& e) {
                      e.response.set_stream("text/plain", [](HttpSink& sink) {
                        for (int i = 0; i < 200 && sink.write(std::string(50'000, 'x')); ++i) {
                        }
                      });
                    },
                    true});
    server_->route("GET", "/bad",
                   {[](Exchange&) { throw std::runtime_error("secret reason"); }, true});
    server_->route("GET", "/wait",
                   {[this](Exchange& e) {
                      ++waiting_;
                      while (!e.peer.gone() && !release_)
                        std::this_thread::sleep_for(milliseconds(5));
                      gone_ = e.peer.gone();
                      --waiting_;
                    },
                    true});
    server_->start();
  }

  std::string ask(const std::string& request) {
    if (!server_) start();
    return Client(server_->port()).send(request).receive();
  }
  static std::string post(const std::string& headers, const std::string& body) {
    return "POST /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers + "\r\n" +
           body;
  }
  static std::string post_with_key(const std::string& headers, const std::string& body) {
    return post("Authorization: Bearer secret\r\n" + headers, body);
  }
  static std::string length(size_t bytes) {
    return "Content-Length: " + std::to_string(bytes) + "\r\n";
  }
  void wait_until(const std::function<bool()>& done) {
    for (int i = 0; i < 1000 && !done(); ++i) std::this_thread::sleep_for(milliseconds(5));
    EXPECT_TRUE(done());
  }

  HttpOptions options_;
  std::unique_ptr<HttpServer> server_;
  std::atomic<int> waiting_{0}, last_status_{0};
  std::atomic<bool> release_{false}, gone_{false};
};

const std::string kOpen = "GET /open HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

TEST_F(HttpServerTest, AnswersAndKeepsTheConnection) {
  start();
  Client client(server_->port());
  for (int i = 0; i < 3; ++i) {
    client.send("GET /open HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: mine-7\r\n\r\n");
    EXPECT_THAT(client.receive("open"),
                AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("X-Request-Id: mine-7")));
  }
  const auto start = steady_clock::now();
  EXPECT_EQ(client.receive(), "") << "an idle connection is closed";
  EXPECT_LT(steady_clock::now() - start, std::chrono::seconds(2));
}

TEST_F(HttpServerTest, SaysWhatIsWrongWithAPath) {
  EXPECT_THAT(ask("GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 404"), HasSubstr("\"code\":\"not_found\"")));
  EXPECT_THAT(ask("GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Allow: POST"), HasSubstr("use POST")));
  EXPECT_THAT(ask("PUT /open HTTP/1.1\r\nHost: localhost\r\n" + length(3) + "\r\nabc"),
              AllOf(StartsWith("HTTP/1.1 405"), HasSubstr("Connection: close")));
  EXPECT_THAT(ask("GET /bad HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 500"), Not(HasSubstr("secret"))));
  EXPECT_THAT(ask("NONSENSE\r\n\r\n"), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask("GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n"),
              StartsWith("HTTP/1.1 414"));
}

TEST_F(HttpServerTest, WantsAKeyBeforeItReadsABody) {
  EXPECT_THAT(ask(post(length(5), "hello")),
              AllOf(StartsWith("HTTP/1.1 401"), HasSubstr("invalid_api_key")));
  EXPECT_THAT(ask(post("Authorization: Bearer wrong\r\n" + length(5), "hello")),
              StartsWith("HTTP/1.1 401"));
  EXPECT_THAT(ask(post_with_key(length(5), "hello")),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("hello")));
  EXPECT_THAT(ask(post("X-Api-Key: secret\r\n" + length(5), "hello")), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, BoundsTheSizeOfARequest) {
  EXPECT_THAT(ask(post_with_key(length(5000), std::string(5000, 'x'))),
              AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("request_too_large")));
  EXPECT_THAT(ask(post_with_key("Content-Length: 99999999999999999999999\r\n", "x")),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask(post_with_key("Content-Length: -1\r\n", "x")), StartsWith("HTTP/1.1 400"));
  EXPECT_THAT(ask(post_with_key("Expect: 100-continue\r\n" + length(5000), "")),
              AllOf(StartsWith("HTTP/1.1 413"), HasSubstr("request_too_large")));
  std::string chunks;
  for (int i = 0; i < 40; ++i) chunks += "64\r\n" + std::string(100, 'x') + "\r\n";
  EXPECT_THAT(ask(post_with_key("Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n")),
              StartsWith("HTTP/1.1 413"));
  EXPECT_THAT(ask("GET /open HTTP/1.1\r\nX: " + std::string(10 * 1024 * 1024, 'x') + "\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 431"), HasSubstr("headers_too_large")));
  EXPECT_THAT(
      ask(post_with_key("Content-Type: multipart/form-data; boundary=x\r\n" + length(5), "hello")),
      StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(ask(kOpen), StartsWith("HTTP/1.1 200")) << "the next request works";
}

TEST_F(HttpServerTest, DoesNotWaitForSlowClients) {
  start();
  const auto begin = steady_clock::now();
  Client head(server_->port()), body(server_->port()), drip(server_->port());
  head.send("GET /open HT");
  body.send(post_with_key(length(100), "only this"));
  std::thread dripping([&] {
    for (int i = 0; i < 20; ++i) {
      drip.send("G");
      std::this_thread::sleep_for(milliseconds(50));
    }
  });
  EXPECT_THAT(head.receive(), AllOf(StartsWith("HTTP/1.1 408"), HasSubstr("request_timeout")));
  EXPECT_THAT(body.receive(), StartsWith("HTTP/1.1 408"));
  dripping.join();
  EXPECT_THAT(drip.receive(), StartsWith("HTTP/1.1 408"));
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(4));
}

TEST_F(HttpServerTest, TurnsAwayAtOnceWhenAllThreadsAreTaken) {
  options_.threads = 2;
  start();
  const std::string wait = "GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  Client first(server_->port()), second(server_->port());
  first.send(wait);
  second.send(wait);
  wait_until([&] { return waiting_ == 2; });
  const auto begin = steady_clock::now();
  EXPECT_THAT(ask(kOpen), AllOf(StartsWith("HTTP/1.1 503"), HasSubstr("Retry-After: 1")));
  EXPECT_LT(steady_clock::now() - begin, milliseconds(500));
  release_ = true;
  EXPECT_THAT(first.receive(), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(second.receive(), StartsWith("HTTP/1.1 200"));
  // The threads are free a moment after the clients have their answers.
  wait_until([&] { return ask(kOpen).starts_with("HTTP/1.1 200"); });
}

TEST_F(HttpServerTest, WhatNeedsNoThreadIsAnsweredWhenAllAreTaken) {
  options_.threads = 1;
  start();
  Client busy(server_->port());
  busy.send("GET /wait HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  wait_until([&] { return waiting_ == 1; });
  EXPECT_THAT(ask("GET /quick HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
              StartsWith("HTTP/1.1 200"));
  release_ = true;
  busy.receive();
}

TEST_F(HttpServerTest, SlowAndIdleClientsHoldNoThread) {
  options_.threads = 2;
  options_.limits.head = options_.limits.idle = std::chrono::seconds(30);
  start();
  std::vector<std::unique_ptr<Client>> others;
  for (int i = 0; i < 300; ++i) {
    others.push_back(std::make_unique<Client>(server_->port()));
    if (i % 2 == 0) others.back()->send("GET /open HTTP/1.1\r\nHost: loc");
  }
  for (int i = 0; i < 20; ++i) EXPECT_THAT(ask(kOpen), StartsWith("HTTP/1.1 200"));
  others[0]->send("alhost\r\nConnection: close\r\n\r\n");  // it was only slow
  EXPECT_THAT(others[0]->receive(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpServerTest, StreamsWholeAndGivesUpWhoDoesNotRead) {
  options_.threads = 1;
  options_.limits.write = milliseconds(300);
  start();
  const std::string stream = "GET /stream HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  const std::string whole = ask(stream);
  EXPECT_THAT(whole, HasSubstr("Transfer-Encoding: chunked"));
  EXPECT_GT(whole.size(), 200u * 50'000u);
  EXPECT_TRUE(whole.ends_with("\r\n0\r\n\r\n"));
  Client lazy_reader(server_->port());
  lazy_reader.send(stream);  // and never reads: the one thread must come free again
  wait_until([&] { return ask(kOpen).starts_with("HTTP/1.1 200"); });
}

TEST_F(HttpServerTest, AmbiguousRequestsAreRefusedAndTheConnectionClosed) {
  start();
  const std::string smuggled = "GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const std::string key = "Authorization: Bearer secret\r\n";
  const std::string chunk = "5\r\nhello\r\n0\r\n\r\n";
  const std::string heads[] = {
      "Host: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
      "Host: localhost\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\nhello",
      "Host: localhost\r\nContent-Length: 5, 5\r\n\r\nhello",
      "Host: localhost\r\nContent-Length: +5\r\n\r\nhello",
      "Host: localhost\r\nContent-Length: 0x5\r\n\r\nhello",
      "Host: localhost\r\nContent-Length : 5\r\n\r\nhello",
      "Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk,
      "Host: localhost\r\nTransfer-Encoding : chunked\r\n\r\n" + chunk,
      "Host: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n" + chunk,
      "Host: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n" + chunk,
      "Host: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n" + chunk,
      "Host: localhost\r\nTransfer-Encoding:\x0b"
      "chunked\r\n\r\n" +
          chunk,
      "Host: localhost\r\nX: a\r\n Content-Length: 5\r\n\r\nhello",
      "Host: localhost\r\nX: a\nContent-Length: 5\r\n\r\nhello",
      "Host: localhost\r\nX: a\rContent-Length: 5\r\n\r\nhello",
      "Host: localhost\r\nX: a\0b\r\nContent-Length: 5\r\n\r\nhello"s,
      "Host: localhost\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello",
      "Host: localhost, evil\r\nContent-Length: 5\r\n\r\nhello",
      "Content-Length: 5\r\n\r\nhello",
      "Host: localhost\r\n: x\r\nContent-Length: 5\r\n\r\nhello",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello\r\n0\r\n\r\n",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
      "Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
      "ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
  };
  for (const std::string& head : heads) {
    const std::string text =
        Client(server_->port()).send("POST /echo HTTP/1.1\r\n" + key + head + smuggled).receive();
    EXPECT_THAT(text, AnyOf(StartsWith("HTTP/1.1 400"), StartsWith("HTTP/1.1 413"))) << head;
    EXPECT_THAT(text, HasSubstr("Connection: close")) << head;
    EXPECT_THAT(text, Not(HasSubstr("HTTP/1.1 200"))) << head;
  }
  for (const char* line :
       {"GET  /open HTTP/1.1", "GET /open  HTTP/1.1", "GET\t/open HTTP/1.1", "GET /open HTTP/1.1 ",
        "GET /open", "GET /op en HTTP/1.1", "GET http://localhost/open HTTP/1.1",
        "G(T /open HTTP/1.1", "GET /open HTTX/1.1", "GET /open HTTP/1.10"}) {
    EXPECT_THAT(ask(std::string(line) + "\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 400"))
        << line;
  }
  EXPECT_THAT(ask("GET /open HTTP/2.0\r\nHost: localhost\r\n\r\n"), StartsWith("HTTP/1.1 505"));
  EXPECT_THAT(ask(post_with_key("Content-Encoding: gzip\r\n" + length(5), "hello")),
              StartsWith("HTTP/1.1 415"));
  EXPECT_THAT(ask(post_with_key("Transfer-Encoding: Chunked\r\n", chunk)),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("hello")));
  EXPECT_THAT(ask(post_with_key("Expect: 100-continue\r\n" + length(5), "hello")),
              AllOf(StartsWith("HTTP/1.1 100"), HasSubstr("HTTP/1.1 200")));
}

TEST_F(HttpServerTest, ANameThatIsNotThisMachinesIsRefused) {
  const auto get = [&](const std::string& host, const std::string& origin) {
    return ask("GET /open HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" +
               (origin.empty() ? "" : "Origin: " + origin + "\r\n") + "\r\n");
  };
  for (const char* host : {"localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080"}) {
    EXPECT_THAT(get(host, ""), StartsWith("HTTP/1.1 200")) << host;
  }
  EXPECT_THAT(get("evil:8080", "http://evil:8080"),
              AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("--allowed-hosts")));
  EXPECT_THAT(get("evil", ""), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(get("localhost.evil.com", ""), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(get("127.0.0.1.evil.com", ""), StartsWith("HTTP/1.1 403"));
  server_ = nullptr;
  options_.allowed_hosts = {"my.box"};
  EXPECT_THAT(get("my.box:8080", ""), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(get("evil", ""), StartsWith("HTTP/1.1 403"));
}

TEST_F(HttpServerTest, NoticesThatAClientWentAway) {
  start();
  {
    Client client(server_->port());
    client.send("GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n");
    wait_until([&] { return waiting_ == 1; });
  }
  wait_until([&] { return waiting_ == 0; });
  EXPECT_TRUE(gone_);
}

TEST_F(HttpServerTest, PagesOfOtherOriginsAreTurnedAwayUnlessAllowed) {
  const auto get = [&](const std::string& origin) {
    return ask("GET /open HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\nOrigin: " + origin +
               "\r\n\r\n");
  };
  EXPECT_THAT(get("http://localhost:1"),
              AllOf(StartsWith("HTTP/1.1 200"), Not(HasSubstr("Access-Control"))));
  EXPECT_THAT(get("http://evil"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(get("null"), StartsWith("HTTP/1.1 403"));
  server_ = nullptr;
  options_.cors_origins = {"http://friend"};
  EXPECT_THAT(get("http://friend"), AllOf(StartsWith("HTTP/1.1 200"),
                                          HasSubstr("Access-Control-Allow-Origin: http://friend")));
  EXPECT_THAT(get("http://evil"), StartsWith("HTTP/1.1 403"));
  EXPECT_THAT(ask("OPTIONS /echo HTTP/1.1\r\nHost: localhost:1\r\nConnection: close\r\nOrigin: "
                  "http://friend\r\n\r\n"),
              AllOf(StartsWith("HTTP/1.1 200"), HasSubstr("Access-Control-Allow-Headers")));
}

TEST(HttpService, PathsWithARestAndErrorsInTheirOwnForm) {
  HttpOptions options;
  options.api_keys = {"key"};
  HttpService service(options);
  const auto handler = [](Exchange&) {};
  service.route("GET", "/things/{name}", {handler, /*open=*/true});
  service.route("GET", "/things/list", {handler, /*open=*/true});
  service.route("POST", "/mine", {handler, false, false, [](const RequestError& error) {
                                    return "mine: " + std::to_string(error.status());
                                  }});
  const auto decide = [&](const char* method, const char* path) {
    HttpRequest request;
    request.method = method;
    request.path = path;
    return service.decide(request);
  };
  EXPECT_EQ(decide("GET", "/things/a%2Fb/c%").path_rest, "a/b/c%");
  EXPECT_EQ(decide("GET", "/things/a").path, "/things/{name}");
  EXPECT_EQ(decide("GET", "/things/list").path, "/things/list");
  EXPECT_EQ(decide("GET", "/things/").refusal->status(), 404);
  EXPECT_EQ(decide("GET", "/things").refusal->status(), 404);
  EXPECT_EQ(decide("POST", "/things/a").refusal->status(), 405);

  struct Nobody : Peer {
    bool gone() const override { return false; }
  } nobody;
  Exchange exchange{nobody, {}, {}, "id", {}};
  service.answer(exchange, decide("POST", "/mine"));
  EXPECT_EQ(exchange.response.body, "mine: 401");
}

TEST(HttpRequest, ReadsTheQuery) {
  HttpRequest request;
  request.query = "a=1&b=x+y%21&empty=&c";
  EXPECT_EQ(request.query_value("a"), "1");
  EXPECT_EQ(request.query_value("b"), "x y!");
  EXPECT_EQ(request.query_value("empty"), "");
  EXPECT_EQ(request.query_value("c"), "");
  EXPECT_EQ(request.query_value("none"), "");
  EXPECT_EQ(percent_decoded("%", false), "%");
  EXPECT_EQ(percent_decoded("%4", false), "%4");
  EXPECT_EQ(percent_decoded("%zz+", false), "%zz+");
}

TEST_F(HttpServerTest, APortInUseIsASentence) {
  start();
  HttpOptions other;
  other.port = server_->port();
  try {
    HttpServer(other).start();
    ADD_FAILURE() << "two servers share a port";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::io);
    EXPECT_THAT(error.what(), HasSubstr("is in use"));
  }
}

TEST_F(HttpServerTest, StopsWithConnectionsOpen) {
  start();
  Client idle(server_->port());
  idle.send("GET /open HTTP/1.1\r\nHost: localhost\r\n\r\n").receive("open");
  const auto begin = steady_clock::now();
  server_->stop();
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(2));
}

}  // namespace
}  // namespace lazyllm::server
