// SPDX-License-Identifier: Apache-2.0
#include "server/client_watch.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>

#include "server/request_error.h"

namespace lazyllm::server {
namespace {

class Client final : public Peer {
 public:
  bool gone() const override { return gone_; }
  void leave() { gone_ = true; }

 private:
  std::atomic<bool> gone_ = false;
};

TEST(ClientWatch, AsksForAStopWhenTheClientGoes) {
  Client client;
  const ClientWatch watch(client);
  EXPECT_FALSE(watch.token().stop_requested());
  EXPECT_NO_THROW(watch.check());
  client.leave();
  for (int i = 0; i < 1000 && !watch.token().stop_requested(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ASSERT_TRUE(watch.token().stop_requested());
  try {
    watch.check();
    FAIL() << "nothing was thrown";
  } catch (const RequestError& error) {
    EXPECT_EQ(error.status(), 499);
  }
}

TEST(ClientWatch, EndsAtOnceWithAClientWhoStays) {
  const Client client;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) const ClientWatch watch(client);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

}  // namespace
}  // namespace lazyllm::server
