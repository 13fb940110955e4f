// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

namespace lazyllm::server {

/// Lines at the head of a conversation that change from turn to turn though they say nothing that
/// matters (an agent's date, its token budget, a hash) cost all that was read behind them. What an
/// expression matches there is computed as it was when the head was first seen with the same words
/// around it. Never silently: the answer tells each such place. Thread-safe.
class StableHead {
 public:
  /// A PCRE2 expression; ^ and $ are ends of lines. Errors: Error(usage).
  explicit StableHead(const std::string& expression);
  ~StableHead();
  StableHead(const StableHead&) = delete;
  StableHead& operator=(const StableHead&) = delete;

  struct Kept {
    std::string asked, computed;
  };
  /// Changes the texts of a head, which belong together. `owner`: whose they are; nobody is given
  /// another one's words. Errors: RequestError 400 if the expression takes too long on them.
  std::vector<Kept> keep(std::span<std::string* const> texts, const std::string& owner);

 private:
  struct Head {
    std::string rest;                  ///< hash of owner and texts without what was matched
    std::vector<std::string> matches;  ///< as they were first seen
  };
  struct Code;
  struct Place {
    size_t begin, end;
  };
  std::vector<Place> find(const std::string& text) const;

  std::unique_ptr<const Code> code_;
  std::mutex mutex_;
  std::list<Head> heads_;  ///< most recently used first
};

}  // namespace lazyllm::server
