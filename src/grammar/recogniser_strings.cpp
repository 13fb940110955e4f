// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "grammar/recogniser.h"

namespace lazyllm::grammar {
namespace {

using Place = Thread::Place;

constexpr uint32_t kMostNames = ObjectRule::kMostNames;

uint64_t extend_hash(uint64_t hash, char32_t character) {
  hash = (hash ^ (character + 1)) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

/// What is not the quote at the end: true if a character is whole. One that is half written stays
/// with its thread, in `out`.
bool take_character(StringDecoder::Outcome outcome, Thread& thread, char32_t& character,
                    std::vector<Thread>& out) {
  if (outcome == StringDecoder::Outcome::more) out.push_back(thread);
  if (outcome != StringDecoder::Outcome::character) return false;
  character = std::exchange(thread.decoder.bits, 0);
  return true;
}

Thread after_name(uint32_t frame, SlotId slot) {
  Thread thread;
  thread.place = Place::after_name;
  thread.frame = frame;
  thread.id = slot;
  return thread;
}

}  // namespace

bool Recogniser::string_continues(const Thread& thread, char32_t first, char32_t last) const {
  const Node& rule = node(thread.id);
  switch (rule.kind) {
    case Node::Kind::text:
      return thread.words.length < rule.maximum;
    case Node::Kind::matching:
      return grammar_->automata[rule.index].continues(thread.state, first, last);
    default:
      return !grammar_->texts[rule.index].between(thread.words, first, last).empty();
  }
}

bool Recogniser::string_may_end(const Thread& thread) const {
  const Node& rule = node(thread.id);
  switch (rule.kind) {
    case Node::Kind::text:
      return thread.words.length >= rule.minimum;
    case Node::Kind::matching:
      return grammar_->automata[rule.index].accepts(thread.state);
    default:
      return grammar_->texts[rule.index].ends(thread.words);
  }
}

void Recogniser::push_string(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  const auto continues = [&](char32_t first, char32_t last) {
    return string_continues(thread, first, last);
  };
  const bool any_text = node(thread.id).kind == Node::Kind::text;
  const auto outcome = thread.decoder.push(byte, [&](char32_t first, char32_t last) {
    return any_text ? continues(first, last)
                    : wanted_literally(thread.decoder, first, last, continues);
  });
  if (outcome == StringDecoder::Outcome::quote) {
    if (string_may_end(thread)) out.push_back(finish_value(thread.frame));
    return;
  }
  char32_t character = 0;
  if (!take_character(outcome, thread, character, out)) return;
  const Node& rule = node(thread.id);
  if (rule.kind == Node::Kind::matching) {
    thread.state = grammar_->automata[rule.index].next(thread.state, character);
  } else if (rule.kind == Node::Kind::one_of) {
    thread.words = grammar_->texts[rule.index].next(thread.words, character);
  } else if (rule.maximum != kUnbounded || thread.words.length < rule.minimum) {
    ++thread.words.length;
  }
  out.push_back(thread);
}

uint32_t Recogniser::free_characters(const Thread& thread) const {
  if (thread.decoder.phase != StringDecoder::Phase::plain) return 0;
  if (thread.place == Place::name && thread.id != 0) return 0;
  if (thread.place == Place::name) {
    const Frame& frame = frames_[thread.frame];
    return additional_names(frame, object(frame)) ? kUnbounded : 0;
  }
  if (thread.place != Place::string || node(thread.id).kind != Node::Kind::text) return 0;
  const uint32_t maximum = node(thread.id).maximum;
  return maximum == kUnbounded ? kUnbounded : maximum - thread.words.length;
}

uint32_t Recogniser::string_automaton(const Thread& thread) const {
  if (thread.decoder.phase != StringDecoder::Phase::plain) return kNone;
  if (thread.place == Place::string) {
    const Node& rule = node(thread.id);
    return rule.kind == Node::Kind::matching ? rule.index : kNone;
  }
  if (thread.place != Place::name || thread.id == 0) return kNone;
  const ObjectRule::NameClass& names = object(frames_[thread.frame]).name_classes[thread.id - 1];
  return names.never_used_up ? names.automaton : kNone;
}

/// True if names that are not declared can come, now or later.
bool Recogniser::further_names(const Frame& frame, const ObjectRule& rule) const {
  if (frame.names_count >= kMostNames - 1) return false;
  if (rule.additional != kNone) return fits(grammar_->slots[rule.additional].height, frame);
  return std::any_of(rule.name_classes.begin(), rule.name_classes.end(), [&](const auto& names) {
    return fits(grammar_->slots[names.slot].height, frame);
  });
}

/// True if the object can be completed behind one more property, after which the declared ones
/// from `next` on may come.
bool Recogniser::room_for_one(const Frame& frame, const ObjectRule& rule, uint32_t next) const {
  const uint32_t written = frame.written + 1;
  if (rule.maximum != kUnbounded && written + rule.required_after[next] > rule.maximum) {
    return false;
  }
  if (written >= rule.minimum || further_names(frame, rule)) return true;
  uint32_t wanted = rule.minimum - written;
  for (uint32_t i = next; i < rule.properties.size() && wanted > 0; ++i) {
    if (fits(grammar_->slots[rule.properties[i].slot].height, frame)) --wanted;
  }
  return wanted == 0;
}

bool Recogniser::additional_names(const Frame& frame, const ObjectRule& rule) const {
  return rule.additional != kNone && rule.next_required[frame.next] == rule.properties.size() &&
         further_names(frame, rule) &&
         room_for_one(frame, rule, static_cast<uint32_t>(rule.properties.size()));
}

bool Recogniser::property_possible(const Frame& frame, const ObjectRule& rule,
                                   uint32_t property) const {
  return property >= frame.next && property <= rule.next_required[frame.next] &&
         fits(grammar_->slots[rule.properties[property].slot].height, frame) &&
         room_for_one(frame, rule, property + 1);
}

/// True if the name can become that of a property that may come now.
bool Recogniser::name_possible(const Frame& frame, const ObjectRule& rule, WordRange words) const {
  for (uint32_t i = words.first; i < words.last; ++i) {
    if (property_possible(frame, rule, rule.property_of_name[i])) return true;
  }
  return false;
}

bool Recogniser::another_name(const Frame& frame) const {
  const ObjectRule& rule = object(frame);
  return additional_names(frame, rule) || name_possible(frame, rule, rule.names.all()) ||
         std::any_of(rule.name_classes.begin(), rule.name_classes.end(),
                     [&](const auto& names) { return class_possible(frame, rule, names); });
}

bool Recogniser::class_possible(const Frame& frame, const ObjectRule& rule,
                                const ObjectRule::NameClass& names) const {
  return rule.next_required[frame.next] == rule.properties.size() &&
         frame.names_count < kMostNames - 1 && fits(grammar_->slots[names.slot].height, frame) &&
         room_for_one(frame, rule, static_cast<uint32_t>(rule.properties.size())) &&
         unused_left(frame, names, grammar_->automata[names.automaton].start(), 0);
}

/// True if a name that begins so can still become one that is not used.
bool Recogniser::unused_left(const Frame& frame, const ObjectRule::NameClass& names, int32_t state,
                             uint64_t hash) const {
  if (frame.names_count < names.texts_from[static_cast<size_t>(state)]) return true;
  // So few that all of them may be used: one after the other.
  const CharacterAutomaton& automaton = grammar_->automata[names.automaton];
  if (automaton.accepts(state) && !name_used(frame, hash)) return true;
  bool found = false;
  automaton.for_each_next(state, [&](char32_t first, char32_t last, int32_t next) {
    for (char32_t c = first; c <= last && !found; ++c) {
      found = unused_left(frame, names, next, extend_hash(hash, c));
    }
  });
  return found;
}

bool Recogniser::name_used(const Frame& frame, uint64_t hash) const {
  for (uint32_t i = frame.names; i != kNone; i = names_[i].previous) {
    if (names_[i].hash == hash) return true;
  }
  return false;
}

void Recogniser::push_class_name(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  const Frame& frame = frames_[thread.frame];
  const ObjectRule::NameClass& names = object(frame).name_classes[thread.id - 1];
  const CharacterAutomaton& automaton = grammar_->automata[names.automaton];
  const auto continues = [&](char32_t first, char32_t last) {
    return automaton.continues(thread.state, first, last);
  };
  const auto outcome = thread.decoder.push(byte, [&](char32_t first, char32_t last) {
    return wanted_literally(thread.decoder, first, last, continues);
  });
  if (outcome == StringDecoder::Outcome::quote) {
    if (automaton.accepts(thread.state) && !name_used(frame, thread.name_hash)) {
      finish_further_name(thread, names.slot, out);
    }
    return;
  }
  char32_t character = 0;
  if (!take_character(outcome, thread, character, out)) return;
  thread.state = automaton.next(thread.state, character);
  thread.name_hash = extend_hash(thread.name_hash, character);
  if (unused_left(frame, names, thread.state, thread.name_hash)) out.push_back(thread);
}

void Recogniser::push_name(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  if (thread.id != 0) return push_class_name(thread, byte, out);
  const Frame& frame = frames_[thread.frame];
  const ObjectRule& rule = object(frame);
  const bool additional = additional_names(frame, rule);
  const auto declared = [&](char32_t first, char32_t last) {
    return name_possible(frame, rule, rule.names.between(thread.words, first, last));
  };
  const auto outcome = thread.decoder.push(byte, [&](char32_t first, char32_t last) {
    return additional || wanted_literally(thread.decoder, first, last, declared);
  });
  if (outcome == StringDecoder::Outcome::quote) return finish_name(thread, out);
  char32_t character = 0;
  if (!take_character(outcome, thread, character, out)) return;
  if (!thread.words.empty()) thread.words = rule.names.next(thread.words, character);
  if (thread.words.empty()) thread.words = {};  // no declared name: how it began is forgotten
  if (additional) thread.name_hash = extend_hash(thread.name_hash, character);
  out.push_back(thread);
}

void Recogniser::finish_name(Thread thread, std::vector<Thread>& out) {
  Frame frame = frames_[thread.frame];
  const ObjectRule& rule = object(frame);
  if (!rule.names.ends(thread.words)) {
    // Equal hashes of different names only forbid a name that would do: another one is found.
    if (!additional_names(frame, rule) || name_used(frame, thread.name_hash)) return;
    return finish_further_name(thread, rule.additional, out);
  }
  const uint32_t property = rule.property_of_name[thread.words.first];
  if (!property_possible(frame, rule, property)) return;
  frame.next = property + 1;
  ++frame.written;
  frames_.push_back(frame);
  out.push_back(
      after_name(static_cast<uint32_t>(frames_.size() - 1), rule.properties[property].slot));
}

void Recogniser::finish_further_name(const Thread& thread, SlotId slot, std::vector<Thread>& out) {
  Frame frame = frames_[thread.frame];
  frame.next = static_cast<uint32_t>(object(frame).properties.size());
  names_.push_back({thread.name_hash, frame.names});
  frame.names = static_cast<uint32_t>(names_.size() - 1);
  ++frame.names_count;
  ++frame.written;
  frames_.push_back(frame);
  out.push_back(after_name(static_cast<uint32_t>(frames_.size() - 1), slot));
}

}  // namespace lazyllm::grammar
