// SPDX-License-Identifier: Apache-2.0
#include "grammar/string_masks.h"

#include <array>

#include "grammar/string_decoder.h"

namespace lazyllm::grammar {
namespace {

/// What has been read of a string.
struct Reading {
  StringDecoder decoder;
  int32_t state = CharacterAutomaton::kDead;
};

/// False if the byte may not come, or ends the string.
bool push(const CharacterAutomaton& automaton, Reading& reading, uint8_t byte) {
  const bool between = reading.decoder.phase == StringDecoder::Phase::plain;
  if (between && byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\') {
    reading.state = automaton.next(reading.state, byte);
    return reading.state != CharacterAutomaton::kDead;
  }
  const auto outcome = reading.decoder.push(byte, [&](char32_t first, char32_t last) {
    return wanted_literally(reading.decoder, first, last, [&](char32_t low, char32_t high) {
      return automaton.continues(reading.state, low, high);
    });
  });
  if (outcome == StringDecoder::Outcome::more) return true;
  if (outcome != StringDecoder::Outcome::character) return false;
  reading.state = automaton.next(reading.state, reading.decoder.bits);
  reading.decoder.bits = 0;
  return reading.state != CharacterAutomaton::kDead;
}

}  // namespace

StringMasks::Mask StringMasks::compute(const CharacterAutomaton& automaton, int32_t state) const {
  Mask mask;
  mask.bits.resize((static_cast<size_t>(table_->size()) + 63) / 64);
  std::array<Reading, TokenTrie::kLongest + 1> levels;
  levels[0].state = state;
  const std::vector<TokenTrie::Node>& nodes = table_->all().nodes();
  const std::vector<int32_t>& tokens = table_->all().tokens();
  for (uint32_t i = 0; i < nodes.size(); ++mask.steps) {
    const TokenTrie::Node& node = nodes[i];
    Reading& reading = levels[node.depth];
    reading = levels[node.depth - 1U];
    if (!push(automaton, reading, node.byte)) {
      i = node.skip;
      continue;
    }
    for (uint32_t t = node.first; t < node.last; ++t) {
      const auto token = static_cast<size_t>(tokens[t]);
      mask.bits[token / 64] |= uint64_t{1} << (token % 64);
    }
    ++i;
  }
  return mask;
}

std::shared_ptr<const StringMasks::Mask> StringMasks::of(uint32_t automaton, int32_t state) {
  const uint64_t key = (uint64_t{automaton} << 32) | static_cast<uint32_t>(state);
  {
    const std::lock_guard lock(mutex_);
    if (const auto found = places_.find(key); found != places_.end()) {
      kept_.splice(kept_.begin(), kept_, found->second);
      return found->second->second;
    }
  }
  // Outside the lock: two answers may compute the same, and get the same.
  auto mask = std::make_shared<const Mask>(compute(grammar_->automata[automaton], state));
  const std::lock_guard lock(mutex_);
  if (places_.contains(key)) return mask;
  kept_.emplace_front(key, mask);
  places_.emplace(key, kept_.begin());
  if (kept_.size() > kMostKept) {
    places_.erase(kept_.back().first);
    kept_.pop_back();
  }
  return mask;
}

}  // namespace lazyllm::grammar
