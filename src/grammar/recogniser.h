// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "grammar/grammar.h"
#include "grammar/string_decoder.h"

namespace lazyllm::grammar {

/// One way to read the bytes so far: what stands open and where in it the text is.
struct Thread {
  enum class Place : uint8_t {
    value,        ///< before a value of the slot `id`
    after_open,   ///< behind [ or {
    after_value,  ///< behind a value of the frame's container
    after_comma,
    after_name,  ///< before the colon; `id` is the slot of the value
    name,        ///< in a property's name; `id`: 0, or of that name class and one more
    string,      ///< in a string, the node `id`
    number,      ///< in a number, the node `id`
    literal,     ///< in a literal, the node `id`
    done,        ///< behind the whole value
  };
  Place place = Place::value;
  /// White space since the last token of JSON: 0, a space: 1, a new line: 2 and one for each
  /// blank behind it.
  uint8_t blanks = 0;
  uint32_t frame = 0;
  uint32_t id = 0;
  int32_t state = 0;  ///< of the node's or name class's automaton
  WordRange words;    ///< still possible ones; `length` counts characters of any string
  StringDecoder decoder;
  NumberState number;
  uint64_t name_hash = 0;  ///< of an additional name so far

  bool operator==(const Thread&) const = default;
};

/// Reads a value byte by byte and says at each byte whether the text can still become a value of
/// the grammar: every thread that it keeps can be completed. White space between tokens is at most
/// one space, or a new line and an indentation.
///
/// Threads refer to frames, which form stacks with common parts. Frames that only abandoned
/// threads need are given back with `release` or `compact`. Not thread-safe.
class Recogniser {
 public:
  /// Threads followed at a time; more are dropped (what is kept stays right).
  static constexpr size_t kMostThreads = 256;

  explicit Recogniser(std::shared_ptr<const Grammar> grammar);

  /// The thread before the first byte.
  Thread start() const;
  /// Appends what the thread becomes with one more byte: nothing if it may not come.
  void advance(const Thread& thread, uint8_t byte, std::vector<Thread>& out);
  /// True if the value is complete and the text may end.
  bool complete(const Thread& thread) const;
  /// True if no byte may follow.
  bool finished(const Thread& thread) const { return thread.place == Thread::Place::done; }

  /// Characters that may be appended to the string (or free name) the thread is in, between two
  /// characters, whatever they are; 0: not in such a place.
  uint32_t free_characters(const Thread& thread) const;

  /// The automaton that alone says how the string (or name) goes on that the thread is in, between
  /// two characters; Thread::state is its state. kNone: there is none.
  uint32_t string_automaton(const Thread& thread) const;

  struct Mark {
    size_t frames = 0, names = 0;
  };
  Mark mark() const { return {frames_.size(), names_.size()}; }
  void release(const Mark& mark);
  /// Drops all frames that these threads do not need.
  void compact(std::vector<Thread>& threads);
  size_t frames() const { return frames_.size(); }

 private:
  /// An open array or object.
  struct Frame {
    uint32_t parent = kNone;
    NodeId node = kNone;
    uint32_t next = 0;       ///< items written, or the next property in order
    uint32_t written = 0;    ///< properties
    uint32_t names = kNone;  ///< the last additional name
    uint32_t names_count = 0;
    uint32_t depth = 0;
  };
  /// A list of additional names, by their hashes.
  struct Name {
    uint64_t hash = 0;
    uint32_t previous = kNone;
  };

  bool push_blank(Thread& thread, uint8_t byte) const;
  bool may_close(const Frame& frame) const;
  bool fits(uint32_t height, const Frame& frame) const;

  void begin_value(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void begin_node(Thread thread, NodeId node, uint8_t byte, std::vector<Thread>& out);
  void open(Thread thread, NodeId node, std::vector<Thread>& out);
  Thread finish_value(uint32_t frame);
  void in_container(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void begin_item(Thread thread, uint8_t byte, std::vector<Thread>& out);

  void push_number(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void push_literal(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void push_string(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void push_name(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void finish_name(Thread thread, std::vector<Thread>& out);

  bool string_continues(const Thread& thread, char32_t first, char32_t last) const;
  bool string_may_end(const Thread& thread) const;
  bool further_names(const Frame& frame, const ObjectRule& object) const;
  bool class_possible(const Frame& frame, const ObjectRule& object,
                      const ObjectRule::NameClass& names) const;
  bool unused_left(const Frame& frame, const ObjectRule::NameClass& names, int32_t state,
                   uint64_t hash) const;
  void push_class_name(Thread thread, uint8_t byte, std::vector<Thread>& out);
  void finish_further_name(const Thread& thread, SlotId slot, std::vector<Thread>& out);
  bool room_for_one(const Frame& frame, const ObjectRule& object, uint32_t next) const;
  bool additional_names(const Frame& frame, const ObjectRule& object) const;
  bool property_possible(const Frame& frame, const ObjectRule& object, uint32_t property) const;
  bool name_possible(const Frame& frame, const ObjectRule& object, WordRange words) const;
  bool name_used(const Frame& frame, uint64_t hash) const;
  bool another_name(const Frame& frame) const;

  const Node& node(NodeId id) const { return grammar_->nodes[id]; }
  const ObjectRule& object(const Frame& frame) const {
    return grammar_->objects[node(frame.node).index];
  }
  const ArrayRule& array(const Frame& frame) const {
    return grammar_->arrays[node(frame.node).index];
  }

  std::shared_ptr<const Grammar> grammar_;
  std::vector<Frame> frames_;  ///< the first: outside the value
  std::vector<Name> names_;
};

}  // namespace lazyllm::grammar
