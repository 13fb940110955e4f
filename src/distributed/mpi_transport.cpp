// SPDX-License-Identifier: Apache-2.0
// The only file that knows MPI. One thread makes all its calls: it moves large messages on while
// the others compute, and hears whether the other ranks are still there.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>
#include <unistd.h>

#include <climits>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/start_thread.h"
#include "distributed/connect_ranks.h"

namespace lazyllm::distributed {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Tags behind those of the channels.
constexpr int kHeartbeat = 10;
constexpr int kLeaving = 11;

constexpr auto kHeartbeatEvery = seconds(1);
/// Nothing heard for so long: the rank is lost. Its thread for MPI answers while it computes.
constexpr auto kLostAfter = seconds(6);
/// This process itself did not run for so long: what it did not hear says nothing.
constexpr auto kOwnPause = seconds(2);
/// On its way to one rank before a sender waits: that rank is behind.
constexpr size_t kMostBytesOnTheWay = size_t{64} << 20;
/// How long the thread rests when nothing comes: shorter where something came just now.
constexpr auto kShortRest = microseconds(20);
constexpr auto kLongRest = milliseconds(1);
constexpr auto kBusyFor = milliseconds(20);

class MpiTransport final : public Transport {
 public:
  MpiTransport(int rank, int size) : rank_(rank), size_(size), peers_(static_cast<size_t>(size)) {
    const auto now = Clock::now();
    for (Peer& peer : peers_) peer.heard = now;
    thread_ = start_thread("the thread that talks to the other ranks", [this] { run(); });
  }
  ~MpiTransport() override {
    {
      const std::lock_guard lock(mutex_);
      ending_ = true;
      changed_.notify_all();
    }
    thread_.join();
    MPI_Finalize();
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void send(int to, Channel channel, Message message) override {
    if (message.size() > INT_MAX) {
      fail(ErrorCode::unsupported, "a message of {} bytes is more than MPI takes", message.size());
    }
    std::unique_lock lock(mutex_);
    Peer& peer = peers_[static_cast<size_t>(to)];
    changed_.wait(lock, [&] { return peer.bytes_on_the_way < kMostBytesOnTheWay || peer.left; });
    peer.bytes_on_the_way += message.size();
    outgoing_.push_back({to, static_cast<int>(channel), std::move(message)});
    changed_.notify_all();
  }

  Message receive(int from, Channel channel) override {
    std::unique_lock lock(mutex_);
    std::deque<Message>& arrived = arrived_[{from, static_cast<int>(channel)}];
    const Peer& peer = peers_[static_cast<size_t>(from)];
    changed_.wait(lock, [&] { return !arrived.empty() || peer.left || peers_.front().left; });
    if (arrived.empty()) {
      fail(ErrorCode::cancelled, "rank {} has ended", peer.left ? from : 0);
    }
    Message message = std::move(arrived.front());
    arrived.pop_front();
    return message;
  }

 private:
  struct Peer {
    Clock::time_point heard;
    bool left = false;  // it said so
    bool heartbeat_under_way = false;
    size_t bytes_on_the_way = 0;
  };
  struct Outgoing {
    int to = 0, tag = 0;
    Message message;
  };
  struct Sending {
    Outgoing what;
    MPI_Request request = MPI_REQUEST_NULL;
  };

  void run() {
    Clock::time_point last_turn = Clock::now(), last_beat{}, last_traffic = last_turn;
    bool told = false;
    while (true) {
      const Clock::time_point now = Clock::now();
      std::unique_lock lock(mutex_);
      if (now - last_turn > kOwnPause) {
        for (Peer& peer : peers_) peer.heard = now;
      }
      last_turn = now;
      if (now - last_beat > kHeartbeatEvery) {
        last_beat = now;
        beat();
      }
      if (ending_ && !told) {
        told = true;
        for (int other = 0; other < size_; ++other) queue_sign(other, kLeaving);
      }
      bool traffic = start_sending();
      traffic = finish_sending() || traffic;
      traffic = take_arrived(now) || traffic;
      if (told && outgoing_.empty() && sending_.empty()) return;
      check_peers(now);
      if (traffic) {
        last_traffic = now;
        changed_.notify_all();
        continue;
      }
      const bool busy = !sending_.empty() || now - last_traffic < kBusyFor;
      // A message to send wakes it up.
      changed_.wait_for(lock, busy ? Clock::duration(kShortRest) : Clock::duration(kLongRest),
                        [&] { return !outgoing_.empty(); });
    }
  }

  void queue_sign(int to, int tag) {
    if (to != rank_) outgoing_.push_back({to, tag, {}});
  }

  void beat() {
    for (int other = 0; other < size_; ++other) {
      Peer& peer = peers_[static_cast<size_t>(other)];
      if (other == rank_ || peer.left || peer.heartbeat_under_way) continue;
      peer.heartbeat_under_way = true;
      queue_sign(other, kHeartbeat);
    }
  }

  bool start_sending() {
    const bool any = !outgoing_.empty();
    for (; !outgoing_.empty(); outgoing_.pop_front()) {
      Sending& next = sending_.emplace_back();
      next.what = std::move(outgoing_.front());
      MPI_Isend(next.what.message.data(), static_cast<int>(next.what.message.size()), MPI_BYTE,
                next.what.to, next.what.tag, MPI_COMM_WORLD, &next.request);
    }
    return any;
  }

  bool finish_sending() {
    bool any = false;
    for (auto each = sending_.begin(); each != sending_.end();) {
      int done = 0;
      MPI_Test(&each->request, &done, MPI_STATUS_IGNORE);
      if (done == 0) {
        ++each;
        continue;
      }
      Peer& peer = peers_[static_cast<size_t>(each->what.to)];
      peer.bytes_on_the_way -= each->what.message.size();
      if (each->what.tag == kHeartbeat) peer.heartbeat_under_way = false;
      each = sending_.erase(each);
      any = true;
    }
    return any;
  }

  bool take_arrived(Clock::time_point now) {
    bool any = false;
    while (true) {
      int found = 0, bytes = 0;
      MPI_Message handle{};
      MPI_Status status{};
      MPI_Improbe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, &handle, &status);
      if (found == 0) return any;
      MPI_Get_count(&status, MPI_BYTE, &bytes);
      Message message(static_cast<size_t>(bytes));
      MPI_Mrecv(message.data(), bytes, MPI_BYTE, &handle, MPI_STATUS_IGNORE);
      Peer& peer = peers_[static_cast<size_t>(status.MPI_SOURCE)];
      peer.heard = now;
      if (status.MPI_TAG == kLeaving) {
        peer.left = true;
      } else if (status.MPI_TAG != kHeartbeat) {
        arrived_[{status.MPI_SOURCE, status.MPI_TAG}].push_back(std::move(message));
      }
      any = true;
    }
  }

  void check_peers(Clock::time_point now) {
    for (int other = 0; other < size_; ++other) {
      const Peer& peer = peers_[static_cast<size_t>(other)];
      if (other == rank_ || peer.left || now - peer.heard < kLostAfter) continue;
      std::fprintf(
          stderr,
          "lazyllm: rank %d was not heard of for %d seconds and is lost; rank %d ends all. "
          "What was answered so far is right; start again\n",
          other, static_cast<int>(kLostAfter.count()), rank_);
      std::fflush(stderr);
      MPI_Abort(MPI_COMM_WORLD, 1);
      _exit(1);
    }
  }

  const int rank_, size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Peer> peers_;
  std::deque<Outgoing> outgoing_;
  std::list<Sending> sending_;
  std::map<std::pair<int, int>, std::deque<Message>> arrived_;  // by rank and tag
  bool ending_ = false;
  std::thread thread_;
};

/// mpirun, or another starter that speaks PMIx (srun).
bool was_started_by_mpi() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

}  // namespace

std::unique_ptr<Transport> connect_ranks() {
  if (!was_started_by_mpi()) return nullptr;
  int given = 0, rank = 0, size = 0;
  // Later calls come from one other thread; the last one, MPI_Finalize, from this one again.
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &given) != MPI_SUCCESS ||
      given < MPI_THREAD_SERIALIZED) {
    fail(ErrorCode::unsupported, "this MPI cannot be called by more than one thread");
  }
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size == 1) {
    MPI_Finalize();
    return nullptr;
  }
  return std::make_unique<MpiTransport>(rank, size);
}

}  // namespace lazyllm::distributed
