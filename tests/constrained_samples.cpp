// SPDX-License-Identifier: Apache-2.0
// Driver of tests/python/test_json_constraint.py: constrained_samples VOCABULARY.gguf
// reads one JSON request a line and writes one JSON answer a line.
//   {"schema": S, "samples": N, "seed": I, "limit": T}
//       N texts of random allowed tokens: {"texts": [...], "tokens": [...]} or {"error": "..."}.
//       After T tokens the sampler heads for the end; "hints": characters that patterns want.
//   {"schema": S, "documents": [TEXT...]}
//       whether each is accepted: {"accepted": [-1 or the byte where it leaves the schema]}.
//   {"schema": S, "time": N, "seed": I}  microseconds: {"compile": t, "restrict": [t...]}
// Without "schema": any JSON object.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "lazyllm/json_constraint.h"

namespace {

using nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;
using lazyllm::TokenId;

double microseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

class Driver {
 public:
  explicit Driver(const std::string& path)
      : model_(lazyllm::Model::load_without_weights(path)),
        logits_(static_cast<size_t>(model_->info().vocabulary_size)) {
    for (size_t i = 0; i < logits_.size(); ++i) {
      pieces_.push_back(model_->piece(static_cast<TokenId>(i)));
    }
  }

  ordered_json answer(const ordered_json& request) {
    try {
      if (request.contains("documents")) return check(request);
      if (request.contains("time")) return measure(request);
      return sample(request);
    } catch (const lazyllm::Error& error) {
      return {{"error", error.what()}};
    }
  }

 private:
  std::shared_ptr<lazyllm::TokenConstraint> constraint(const ordered_json& request) {
    if (!request.contains("schema")) return lazyllm::make_json_object_constraint(model_);
    return lazyllm::make_json_schema_constraint(model_, request["schema"].dump());
  }

  /// The tokens that may come next.
  std::vector<TokenId> allowed(lazyllm::TokenConstraint& constraint) {
    std::fill(logits_.begin(), logits_.end(), 0.0f);
    constraint.restrict(logits_);
    std::vector<TokenId> tokens;
    for (size_t i = 0; i < logits_.size(); ++i) {
      if (logits_[i] == 0.0f) tokens.push_back(static_cast<TokenId>(i));
    }
    return tokens;
  }

  TokenId pick(std::vector<TokenId> tokens, bool by_first_byte, std::mt19937_64& random) {
    if (by_first_byte) {  // brackets and quotes as often as letters
      const auto first = [&](TokenId token) { return pieces_[static_cast<size_t>(token)][0]; };
      const char byte = first(tokens[random() % tokens.size()]);
      bool present[256] = {};
      std::string bytes;
      for (const TokenId token : tokens) {
        bool& seen = present[static_cast<uint8_t>(first(token))];
        if (!std::exchange(seen, true)) bytes += first(token);
      }
      const char wanted = random() % 4 == 0 ? byte : bytes[random() % bytes.size()];
      std::erase_if(tokens, [&](TokenId token) { return first(token) != wanted; });
    }
    return tokens[random() % tokens.size()];
  }

  /// Whether a quotation mark is open in a JSON text.
  static bool in_string(const std::string& text) {
    bool open = false;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '"') open = !open;
      if (text[i] == '\\') ++i;
    }
    return open;
  }

  /// Single bytes that close what is open, if one may come. A string may not close while its
  /// pattern wants something else: often a hint then, else any token.
  TokenId pick_ending(const std::vector<TokenId>& tokens, const std::string& text,
                      std::mt19937_64& random) {
    std::vector<TokenId> single;
    for (const TokenId token : tokens) {
      if (pieces_[static_cast<size_t>(token)].size() == 1) single.push_back(token);
    }
    const bool string = in_string(text);
    for (const char byte : std::string(string ? "\"" : "\"}]:")) {
      for (const TokenId token : single) {
        if (pieces_[static_cast<size_t>(token)][0] == byte) return token;
      }
    }
    std::vector<TokenId> hinted;
    for (const TokenId token : single) {
      if (hints_.find(pieces_[static_cast<size_t>(token)]) != std::string::npos) {
        hinted.push_back(token);
      }
    }
    if (string && !hinted.empty() && random() % 4 != 0) return pick(hinted, false, random);
    std::erase_if(single, [&](TokenId token) {
      return std::string(" \n\t\\,").find(pieces_[static_cast<size_t>(token)][0]) !=
             std::string::npos;
    });
    return pick(single.empty() ? tokens : single, false, random);
  }

  ordered_json sample(const ordered_json& request) {
    ordered_json texts = ordered_json::array(), counts = ordered_json::array();
    std::mt19937_64 random(request.value("seed", 0));
    hints_ = request.value("hints", "");
    for (int i = 0; i < request.value("samples", 1); ++i) {
      const auto one = constraint(request);
      const bool by_first_byte = i % 2 == 0;
      std::string text;
      int count = 0;
      for (;; ++count) {
        if (count > 20 * request.value("limit", 200) + 2000) return {{"error", "no end: " + text}};
        std::vector<TokenId> tokens = allowed(*one);
        if (tokens.empty()) return {{"error", "no token fits after " + text}};
        const size_t all = tokens.size();
        std::erase_if(tokens, [&](TokenId t) { return model_->is_end_of_generation(t); });
        const bool ending = count >= request.value("limit", 200);
        const bool may_end = tokens.size() < all;
        if (tokens.empty() || (may_end && (ending || random() % 4 == 0))) break;
        const TokenId token =
            ending ? pick_ending(tokens, text, random) : pick(tokens, by_first_byte, random);
        text += pieces_[static_cast<size_t>(token)];
        one->accept(token);
      }
      texts.push_back(text);
      counts.push_back(count);
    }
    return {{"texts", texts}, {"tokens", counts}};
  }

  ordered_json check(const ordered_json& request) {
    ordered_json accepted = ordered_json::array();
    for (const auto& document : request["documents"]) {
      accepted.push_back(where_refused(*constraint(request), document.get<std::string>()));
    }
    return {{"accepted", accepted}};
  }

  int64_t where_refused(lazyllm::TokenConstraint& constraint, const std::string& document) {
    int64_t at = 0;
    for (const TokenId token : model_->tokenize(document, false)) {
      const std::vector<TokenId> tokens = allowed(constraint);
      if (!std::binary_search(tokens.begin(), tokens.end(), token)) return at;
      constraint.accept(token);
      at += static_cast<int64_t>(pieces_[static_cast<size_t>(token)].size());
    }
    const std::vector<TokenId> tokens = allowed(constraint);
    const bool ends = std::any_of(tokens.begin(), tokens.end(), [&](TokenId token) {
      return model_->is_end_of_generation(token);
    });
    return ends ? -1 : at;
  }

  ordered_json measure(const ordered_json& request) {
    lazyllm::make_json_object_constraint(model_);  // sorts the vocabulary
    const auto start = Clock::now();
    auto one = constraint(request);
    ordered_json result = {{"compile", microseconds_since(start)}};
    result["restrict"] = ordered_json::array();
    std::mt19937_64 random(request.value("seed", 0));
    for (int i = 0; i < request["time"].get<int>(); ++i) {
      std::fill(logits_.begin(), logits_.end(), 0.0f);
      const auto begin = Clock::now();
      one->restrict(logits_);
      result["restrict"].push_back(microseconds_since(begin));
      std::vector<TokenId> tokens = allowed(*one);
      std::erase_if(tokens, [&](TokenId t) { return model_->is_end_of_generation(t); });
      if (tokens.empty()) {
        one = constraint(request);
      } else {
        one->accept(pick(tokens, true, random));
      }
    }
    return result;
  }

  std::shared_ptr<const lazyllm::Model> model_;
  std::vector<float> logits_;
  std::vector<std::string> pieces_;
  std::string hints_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  Driver driver(argv[1]);
  for (std::string line; std::getline(std::cin, line);) {
    const ordered_json result = driver.answer(ordered_json::parse(line));
    std::puts(result.dump(-1, ' ', false, ordered_json::error_handler_t::strict).c_str());
    std::fflush(stdout);
  }
}
