// SPDX-License-Identifier: Apache-2.0
// One answer on the page: the wait for its first word, its text as it comes, what it cost. Its record is what is kept.

import {announceStream, endStream} from './announcer.js';
import {element, oncePerFrame} from './dom.js';
import {figureList, partialFigures} from './figures.js';
import * as format from './format.js';
import {MarkdownView} from './markdown.js';
import {timeLeft} from './time_left.js';

/** text; thoughts: what the model wrote before it answered; note: why it ended other than by itself; end: the last chunk of the stream; timings: of the newest chunk. */
const emptyRecord = () => ({text: '', thoughts: '', note: '', finished: false, end: null, timings: null, firstWord_ms: 0});

export class Answer {
  constructor(record = emptyRecord()) {
    this.record = record;
    this.text = element('div', {className: 'answer'});
    this.view = new MarkdownView(this.text);
    this.draw = oncePerFrame(() => this.view.show(this.record.text));
    this.progress = element('progress', {max: 1, value: 0, ariaLabel: 'Prompt read'});
    this.progressText = element('span', {textContent: 'Waiting for the server …'});
    this.wait = element('div', {className: 'wait'}, this.progress, this.progressText);
    this.foot = element('div', {className: 'foot'});
    this.thoughts = element('details', {className: 'thoughts', hidden: true}, element('summary', {textContent: 'Thoughts'}), element('p'));
    this.element = element('div', {className: 'part'}, this.thoughts, this.text, this.foot);
  }

  static restored(record) {
    const answer = new Answer(record);
    if (!record.finished) record.note ||= 'Interrupted: the page was left while this was written.';
    answer.view.show(record.text);
    answer.showThoughts();
    answer.showEnd();
    return answer;
  }

  get isEmpty() {
    return this.record.text === '';
  }

  begin() {
    this.text.after(this.wait);
    this.started = performance.now();
    this.clock = setInterval(() => this.showWait(), 100);
  }

  showWait() {
    const elapsed_ms = performance.now() - this.started;
    if (this.record.thoughts) {
      this.progressText.textContent = `Thinking, ${format.seconds(elapsed_ms)}`;
      this.progress.removeAttribute('value');
      return;
    }
    if (!this.read) {
      this.progressText.textContent = `Waiting for the server, ${format.seconds(elapsed_ms)}`;
      this.progress.removeAttribute('value');
      return;
    }
    const {total, cache, processed} = this.read;
    const cached = cache > 0 ? ` (${format.count(cache)} known already)` : '';
    this.progress.value = total > cache ? (processed - cache) / (total - cache) : 0;
    const left = timeLeft(this.read, performance.now() - this.readSince);
    this.progressText.textContent = [`Reading ${format.tokens(total)}${cached}: ${format.percent(this.progress.value)}`,
      format.seconds(elapsed_ms), left].filter(Boolean).join(', ');
  }

  /** A chunk of the stream; returns what it adds to the text. */
  take(chunk) {
    if (chunk.prompt_progress) {
      this.readSince ??= performance.now();
      this.read = chunk.prompt_progress;
      this.showWait();
    }
    const delta = chunk.choices?.[0]?.delta?.content ?? '';
    const thought = chunk.choices?.[0]?.delta?.reasoning_content ?? '';
    if (thought !== '') {
      this.record.thoughts += thought;
      this.showThoughts();
    }
    if (delta !== '') this.append(delta);
    if (chunk.choices?.[0]?.finish_reason === 'length') this.cut = true;
    if (chunk.timings) this.record.timings = chunk.timings;
    if (chunk.usage && chunk.lazy) this.record.end = chunk;
    return delta;
  }

  showThoughts() {
    const {thoughts = ''} = this.record;
    this.thoughts.hidden = thoughts === '';
    this.thoughts.lastChild.textContent = thoughts;
  }

  append(delta) {
    if (this.isEmpty) this.record.firstWord_ms = performance.now() - this.started;
    this.stopWaiting();
    this.record.text += delta;
    this.draw();
    announceStream(delta);
  }

  stopWaiting() {
    clearInterval(this.clock);
    this.wait.remove();
  }

  /** `note`: why the answer ended other than by itself. */
  finish(note = '') {
    this.stopWaiting();
    const {record} = this;
    record.finished = true;
    record.note = note;
    if (this.cut) record.note ||= `Stopped at the limit of ${format.tokens(record.end?.usage.completion_tokens ?? 0)}.`;
    this.view.show(record.text);
    this.showEnd();
    endStream(record.note || 'End of the answer.');
  }

  showEnd() {
    const {note, end} = this.record;
    if (note) this.foot.append(element('p', {className: 'note', textContent: note}));
    const figures = end ? figureList(end) : partialFigures(this.record);
    if (figures) this.foot.append(figures);
  }

  fail(sentence) {
    this.stopWaiting();
    this.foot.append(element('p', {className: 'error', role: 'alert', textContent: sentence}));
  }
}
