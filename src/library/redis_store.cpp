// SPDX-License-Identifier: Apache-2.0
// Keys, of which 1 is the version of this layout:
//   lazyllm:1:changes                   a number
//   lazyllm:1:documents                 hash: id -> item
//   lazyllm:1:snapshots:ORIGIN          hash: id -> item
//   lazyllm:1:data:KIND:ID:PART         bytes of a file, 8 MiB each
// An item is a line of JSON, then the tokens. It is entered after the bytes, so that what has an
// item was whole once; the server may drop keys when it is full, then a part is missing.
#include <hiredis/hiredis.h>
#include <sys/time.h>

#include <charconv>
#include <chrono>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "library/shared_store.h"

namespace lazyllm::library {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
namespace fs = std::filesystem;

constexpr size_t kPartBytes = size_t{8} << 20;
constexpr uint64_t kMostBytes = uint64_t{1} << 36;
constexpr timeval kConnectTimeout = {.tv_sec = 0, .tv_usec = 500'000};
constexpr timeval kCommandTimeout = {.tv_sec = 1, .tv_usec = 0};
constexpr auto kMostForOneFile = std::chrono::seconds(3);  // others wait meanwhile
constexpr char kChanges[] = "lazyllm:1:changes";

struct FreeReply {
  void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
struct FreeContext {
  void operator()(redisContext* context) const { redisFree(context); }
};
using Reply = std::unique_ptr<redisReply, FreeReply>;

std::string_view text_of(const redisReply& reply) {
  return {reply.str, reply.str == nullptr ? 0 : static_cast<size_t>(reply.len)};
}

std::string to_text(const SharedItem& item) {
  const LibraryEntry& entry = item.entry;
  std::string text = Json({{"name", entry.name},
                           {"origin", entry.origin},
                           {"depth", entry.depth},
                           {"bytes", entry.bytes},
                           {"created", entry.created},
                           {"checksum", item.checksum}})
                         .dump(-1, ' ', false, Json::error_handler_t::replace) +
                     '\n';
  const auto tokens = std::as_bytes(std::span(entry.tokens));
  return text.append(reinterpret_cast<const char*>(tokens.data()), tokens.size());
}

std::optional<SharedItem> to_item(SharedStore::Kind kind, const std::string& id,
                                  std::string_view text) {
  const size_t end = text.find('\n');
  const Json json = Json::parse(text.substr(0, end), nullptr, /*allow_exceptions=*/false);
  if (end == std::string_view::npos || !json.is_object()) return std::nullopt;
  const std::string_view tokens = text.substr(end + 1);
  try {
    SharedItem item;
    item.entry.kind = kind;
    item.entry.id = id;
    item.entry.name = json.at("name").get<std::string>();
    item.entry.origin = json.at("origin").get<std::string>();
    item.entry.depth = json.at("depth").get<int>();
    item.entry.bytes = json.at("bytes").get<uint64_t>();
    item.entry.created = item.entry.used = json.at("created").get<int64_t>();
    item.checksum = json.at("checksum").get<uint64_t>();
    item.entry.tokens.resize(tokens.size() / sizeof(int32_t));
    std::memcpy(item.entry.tokens.data(), tokens.data(),
                item.entry.tokens.size() * sizeof(int32_t));
    // Loops go over its parts, so that a damaged one must not be without end.
    const bool sound = item.entry.bytes <= kMostBytes && item.entry.depth >= 0;
    return sound ? std::optional(std::move(item)) : std::nullopt;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

std::string hash_key(SharedStore::Kind kind, const std::string& origin) {
  return kind == SharedStore::Kind::document ? "lazyllm:1:documents"
                                             : "lazyllm:1:snapshots:" + origin;
}

std::string data_key(const LibraryEntry& entry, uint64_t part) {
  return fmt::format("lazyllm:1:data:{}:{}:{}",
                     entry.kind == SharedStore::Kind::document ? "document" : "snapshot", entry.id,
                     part);
}

uint64_t parts_of(const LibraryEntry& entry) {
  return (entry.bytes + kPartBytes - 1) / kPartBytes;
}

class RedisStore : public SharedStore {
 public:
  explicit RedisStore(const std::string& address);

  int64_t changes() override {
    const Reply reply = ask({"GET", kChanges});
    int64_t value = 0;
    const std::string_view text = text_of(*reply);
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  }

  std::vector<std::string> ids(Kind kind, const std::string& origin) override {
    const Reply reply = ask({"HKEYS", hash_key(kind, origin)});
    std::vector<std::string> result;
    for (size_t i = 0; i < reply->elements; ++i) result.emplace_back(text_of(*reply->element[i]));
    return result;
  }

  std::optional<SharedItem> find(Kind kind, const std::string& origin,
                                 const std::string& id) override {
    const Reply reply = ask({"HGET", hash_key(kind, origin), id});
    if (reply->type != REDIS_REPLY_STRING) return std::nullopt;
    return to_item(kind, id, text_of(*reply));
  }

  bool fetch(const LibraryEntry& entry, const fs::path& path) override;
  void put(const SharedItem& item, const fs::path& path) override;

  void remove(const LibraryEntry& entry) override {
    ask({"HDEL", hash_key(entry.kind, entry.origin), entry.id});
    for (uint64_t part = 0; part < parts_of(entry); ++part) ask({"DEL", data_key(entry, part)});
    ask({"INCR", kChanges});
  }

 private:
  void connect();
  /// One command; never null. Errors: Error(io).
  Reply ask(std::initializer_list<std::string_view> command);
  Reply send(std::initializer_list<std::string_view> command);
  void check_time(Clock::time_point start) const {
    if (Clock::now() - start > kMostForOneFile) {
      fail(ErrorCode::io, "{}: it is too slow for a file of this size", name_);
    }
  }

  std::string host_ = "127.0.0.1", password_, database_, name_;
  int port_ = 6379;
  std::unique_ptr<redisContext, FreeContext> context_;
};

RedisStore::RedisStore(const std::string& address) {
  constexpr std::string_view kScheme = "redis://";
  const auto refuse = [&] {
    fail(ErrorCode::usage,
         "--library-store: the address must look like redis://HOST:PORT or "
         "redis://:PASSWORD@HOST:PORT/DATABASE");
  };
  if (!address.starts_with(kScheme)) refuse();
  std::string_view rest = std::string_view(address).substr(kScheme.size());
  if (const size_t at = rest.rfind('@'); at != std::string_view::npos) {
    const std::string_view user = rest.substr(0, at);
    password_ = user.substr(user.find(':') == std::string_view::npos ? 0 : user.find(':') + 1);
    rest.remove_prefix(at + 1);
  }
  if (const size_t slash = rest.find('/'); slash != std::string_view::npos) {
    database_ = rest.substr(slash + 1);
    rest = rest.substr(0, slash);
  }
  if (const size_t colon = rest.rfind(':'); colon != std::string_view::npos) {
    const std::string_view port = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), port_);
    if (error != std::errc() || end != port.data() + port.size() || port_ < 1 || port_ > 65535) {
      refuse();
    }
    rest = rest.substr(0, colon);
  }
  if (database_.find_first_not_of("0123456789") != std::string::npos) refuse();
  if (!rest.empty()) host_ = rest;
  name_ = fmt::format("redis://{}:{}", host_, port_);  // without the password
}

void RedisStore::connect() {
  context_.reset(redisConnectWithTimeout(host_.c_str(), port_, kConnectTimeout));
  if (context_ == nullptr || context_->err != 0) {
    const std::string why = context_ == nullptr ? "no memory" : context_->errstr;
    context_.reset();
    fail(ErrorCode::io, "{}: {}", name_, why);
  }
  redisSetTimeout(context_.get(), kCommandTimeout);
  if (!password_.empty()) send({"AUTH", password_});
  if (!database_.empty()) send({"SELECT", database_});
}

Reply RedisStore::send(std::initializer_list<std::string_view> command) {
  std::vector<const char*> words;
  std::vector<size_t> lengths;
  for (const std::string_view word : command) {
    words.push_back(word.data());
    lengths.push_back(word.size());
  }
  Reply reply(static_cast<redisReply*>(redisCommandArgv(
      context_.get(), static_cast<int>(words.size()), words.data(), lengths.data())));
  if (reply == nullptr) {
    const std::string why = context_->errstr;
    context_.reset();  // what comes late would be read as another command's answer
    fail(ErrorCode::io, "{}: {}", name_, why);
  }
  if (reply->type == REDIS_REPLY_ERROR) {
    fail(ErrorCode::io, "{}: {}", name_, text_of(*reply));
  }
  return reply;
}

Reply RedisStore::ask(std::initializer_list<std::string_view> command) {
  if (context_ == nullptr) connect();
  return send(command);
}

bool RedisStore::fetch(const LibraryEntry& entry, const fs::path& path) {
  const Clock::time_point start = Clock::now();
  std::ofstream file(path, std::ios::binary);
  for (uint64_t part = 0; part < parts_of(entry); ++part) {
    check_time(start);
    const Reply reply = ask({"GET", data_key(entry, part)});
    if (reply->type != REDIS_REPLY_STRING) {
      ask({"HDEL", hash_key(entry.kind, entry.origin), entry.id});  // the server dropped it
      return false;
    }
    const std::string_view bytes = text_of(*reply);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  file.close();
  if (!file) fail(ErrorCode::io, "{}: cannot write it", path.string());
  return true;
}

void RedisStore::put(const SharedItem& item, const fs::path& path) {
  const Clock::time_point start = Clock::now();
  std::ifstream file(path, std::ios::binary);
  std::string bytes;
  for (uint64_t part = 0; part < parts_of(item.entry); ++part) {
    check_time(start);
    bytes.resize(std::min<uint64_t>(kPartBytes, item.entry.bytes - part * kPartBytes));
    if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
      fail(ErrorCode::io, "{}: cannot read it", path.string());
    }
    ask({"SET", data_key(item.entry, part), bytes});
  }
  ask({"HSET", hash_key(item.entry.kind, item.entry.origin), item.entry.id, to_text(item)});
  ask({"INCR", kChanges});
}

}  // namespace

std::unique_ptr<SharedStore> open_shared_store(const std::string& address) {
  return std::make_unique<RedisStore>(address);
}

}  // namespace lazyllm::library
