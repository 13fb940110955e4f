// SPDX-License-Identifier: Apache-2.0
// Structure: values, arrays, objects, white space. Strings and names: recogniser_strings.cpp.
#include "grammar/recogniser.h"

#include <algorithm>

namespace lazyllm::grammar {
namespace {

using Place = Thread::Place;

constexpr uint8_t kSpace = 1, kNewLine = 2;
/// Blanks of an indentation, for each open container and in all.
constexpr uint32_t kBlanksPerLevel = 4, kMostBlanks = 200;

Thread at(Place place, uint32_t frame, uint32_t id = 0) {
  Thread thread;
  thread.place = place;
  thread.frame = frame;
  thread.id = id;
  return thread;
}

}  // namespace

Recogniser::Recogniser(std::shared_ptr<const Grammar> grammar) : grammar_(std::move(grammar)) {
  frames_.emplace_back();
}

Thread Recogniser::start() const {
  return at(Place::value, 0, grammar_->root);
}

void Recogniser::advance(const Thread& thread, uint8_t byte, std::vector<Thread>& out) {
  if (out.size() >= kMostThreads) return;
  switch (thread.place) {
    case Place::value:
    case Place::after_open:
    case Place::after_value:
    case Place::after_comma: {
      Thread blank = thread;
      if (push_blank(blank, byte)) {
        out.push_back(blank);
      } else if (thread.place == Place::value) {
        begin_value(thread, byte, out);
      } else {
        in_container(thread, byte, out);
      }
      return;
    }
    case Place::after_name:
      if (byte == ':') out.push_back(at(Place::value, thread.frame, thread.id));
      return;
    case Place::name:
      return push_name(thread, byte, out);
    case Place::string:
      return push_string(thread, byte, out);
    case Place::number:
      return push_number(thread, byte, out);
    case Place::literal:
      return push_literal(thread, byte, out);
    case Place::done:
      return;
  }
}

bool Recogniser::complete(const Thread& thread) const {
  if (thread.place == Place::done) return true;
  if (thread.frame != 0) return false;
  if (thread.place == Place::number) {
    return thread.number.complete(grammar_->numbers[node(thread.id).index]);
  }
  return thread.place == Place::literal &&
         grammar_->literals[node(thread.id).index].ends(thread.words);
}

/// White space; behind a value only before the closing bracket.
bool Recogniser::push_blank(Thread& thread, uint8_t byte) const {
  if (byte != ' ' && byte != '\n' && byte != '\t') return false;
  const Frame& frame = frames_[thread.frame];
  if (thread.place == Place::after_value && !may_close(frame)) return false;
  if (thread.blanks == 0) {
    thread.blanks = byte == ' ' ? kSpace : kNewLine;
    return byte != '\t';
  }
  const uint32_t most = std::min(kBlanksPerLevel * frame.depth, kMostBlanks);
  if (byte == '\n' || thread.blanks < kNewLine || thread.blanks >= kNewLine + most) return false;
  ++thread.blanks;
  return true;
}

bool Recogniser::fits(uint32_t height, const Frame& frame) const {
  return height != kEndless && height <= grammar_->deepest - frame.depth;
}

bool Recogniser::may_close(const Frame& frame) const {
  if (node(frame.node).kind == Node::Kind::array) return frame.next >= array(frame).minimum;
  const ObjectRule& rule = object(frame);
  return rule.next_required[frame.next] == rule.properties.size() && frame.written >= rule.minimum;
}

void Recogniser::begin_value(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  for (const NodeId id : grammar_->slots[thread.id].nodes) {
    if (out.size() >= kMostThreads) return;
    begin_node(thread, id, byte, out);
  }
}

void Recogniser::begin_node(Thread thread, NodeId id, uint8_t byte, std::vector<Thread>& out) {
  const Node& rule = node(id);
  switch (rule.kind) {
    case Node::Kind::text:
    case Node::Kind::matching:
    case Node::Kind::one_of:
      if (byte != '"') return;
      thread = at(Place::string, thread.frame, id);
      if (rule.kind == Node::Kind::matching) thread.state = grammar_->automata[rule.index].start();
      if (rule.kind == Node::Kind::one_of) thread.words = grammar_->texts[rule.index].all();
      out.push_back(thread);
      return;
    case Node::Kind::literal:
      thread = at(Place::literal, thread.frame, id);
      thread.words = grammar_->literals[rule.index].next(grammar_->literals[rule.index].all(),
                                                         static_cast<char>(byte));
      if (!thread.words.empty()) out.push_back(thread);
      return;
    case Node::Kind::number:
      thread = at(Place::number, thread.frame, id);
      if (thread.number.push(grammar_->numbers[rule.index], byte)) out.push_back(thread);
      return;
    case Node::Kind::array:
      if (byte == '[') open(thread, id, out);
      return;
    case Node::Kind::object:
      if (byte == '{') open(thread, id, out);
      return;
  }
}

void Recogniser::open(Thread thread, NodeId id, std::vector<Thread>& out) {
  const Frame& parent = frames_[thread.frame];
  if (!fits(node(id).height, parent)) return;
  Frame frame;
  frame.parent = thread.frame;
  frame.node = id;
  frame.depth = parent.depth + 1;
  frames_.push_back(frame);
  out.push_back(at(Place::after_open, static_cast<uint32_t>(frames_.size() - 1)));
}

/// The thread behind a value of that frame's container.
Thread Recogniser::finish_value(uint32_t frame) {
  Frame longer = frames_[frame];
  if (longer.node == kNone) return at(Place::done, frame);
  if (node(longer.node).kind != Node::Kind::array) return at(Place::after_value, frame);
  const ArrayRule& rule = array(longer);
  const uint32_t items = longer.next++;
  if (rule.maximum == kUnbounded) {  // how many more there are makes no difference
    const auto listed = static_cast<uint32_t>(rule.first.size());
    longer.next = std::min(longer.next, std::max(rule.minimum, listed));
  }
  if (longer.next == items) return at(Place::after_value, frame);
  frames_.push_back(longer);
  return at(Place::after_value, static_cast<uint32_t>(frames_.size() - 1));
}

/// Between the brackets of an array or object, outside its values.
void Recogniser::in_container(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  const Frame& frame = frames_[thread.frame];
  const bool is_array = node(frame.node).kind == Node::Kind::array;
  if (byte == (is_array ? ']' : '}')) {
    if (thread.place != Place::after_comma && may_close(frame)) {
      out.push_back(finish_value(frame.parent));
    }
    return;
  }
  if (thread.place == Place::after_value) {
    if (byte != ',' || thread.blanks != 0) return;
    const bool another =
        is_array ? frame.next < array(frame).maximum && array(frame).slot(frame.next) != kNone &&
                       fits(grammar_->slots[array(frame).slot(frame.next)].height, frame)
                 : another_name(frame);
    if (another) out.push_back(at(Place::after_comma, thread.frame));
    return;
  }
  if (is_array) return begin_item(thread, byte, out);
  if (byte != '"' || !another_name(frame)) return;
  const ObjectRule& rule = object(frame);
  Thread name = at(Place::name, thread.frame);
  name.words = rule.names.all();
  if (additional_names(frame, rule) || name_possible(frame, rule, name.words)) out.push_back(name);
  for (uint32_t i = 0; i < rule.name_classes.size(); ++i) {
    const ObjectRule::NameClass& names = rule.name_classes[i];
    if (!class_possible(frame, rule, names)) continue;
    name = at(Place::name, thread.frame, i + 1);
    name.state = grammar_->automata[names.automaton].start();
    out.push_back(name);
  }
}

void Recogniser::begin_item(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  const Frame& frame = frames_[thread.frame];
  const ArrayRule& rule = array(frame);
  const SlotId slot = frame.next < rule.maximum ? rule.slot(frame.next) : kNone;
  if (slot == kNone || !fits(grammar_->slots[slot].height, frame)) return;
  begin_value(at(Place::value, thread.frame, slot), byte, out);
}

void Recogniser::push_number(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  const NumberRule& rule = grammar_->numbers[node(thread.id).index];
  Thread longer = thread;
  if (longer.number.push(rule, byte)) {
    out.push_back(longer);
  } else if (thread.number.complete(rule) && frames_[thread.frame].node != kNone) {
    advance(finish_value(thread.frame), byte, out);
  }
}

void Recogniser::push_literal(Thread thread, uint8_t byte, std::vector<Thread>& out) {
  const WordList<char>& list = grammar_->literals[node(thread.id).index];
  const bool ends = list.ends(thread.words);
  Thread longer = thread;
  longer.words = list.next(thread.words, static_cast<char>(byte));
  if (!longer.words.empty()) {
    out.push_back(longer);
  } else if (ends && frames_[thread.frame].node != kNone) {
    advance(finish_value(thread.frame), byte, out);
  }
}

void Recogniser::release(const Mark& mark) {
  frames_.resize(mark.frames);
  names_.resize(mark.names);
}

void Recogniser::compact(std::vector<Thread>& threads) {
  std::vector<Frame> frames(1);
  std::vector<Name> names;
  std::vector<uint32_t> new_frame(frames_.size(), kNone), new_name(names_.size(), kNone);
  new_frame[0] = 0;
  std::vector<uint32_t> path;
  // Parents and earlier names stand before what refers to them: so does this.
  const auto move_names = [&](uint32_t name) {
    path.clear();
    for (; name != kNone && new_name[name] == kNone; name = names_[name].previous) {
      path.push_back(name);
    }
    for (; !path.empty(); path.pop_back()) {
      Name moved = names_[path.back()];
      if (moved.previous != kNone) moved.previous = new_name[moved.previous];
      new_name[path.back()] = static_cast<uint32_t>(names.size());
      names.push_back(moved);
    }
  };
  std::vector<uint32_t> chain;
  for (Thread& thread : threads) {
    for (uint32_t f = thread.frame; new_frame[f] == kNone; f = frames_[f].parent) {
      chain.push_back(f);
    }
    for (; !chain.empty(); chain.pop_back()) {
      Frame moved = frames_[chain.back()];
      moved.parent = new_frame[moved.parent];
      if (moved.names != kNone) {
        move_names(moved.names);
        moved.names = new_name[moved.names];
      }
      new_frame[chain.back()] = static_cast<uint32_t>(frames.size());
      frames.push_back(moved);
    }
    thread.frame = new_frame[thread.frame];
  }
  frames_ = std::move(frames);
  names_ = std::move(names);
}

}  // namespace lazyllm::grammar
