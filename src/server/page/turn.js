// SPDX-License-Identifier: Apache-2.0
// One question with its answer, on the page.

import {announceStream, endStream} from './announcer.js';
import {chip} from './documents.js';
import {element} from './dom.js';
import {figureList} from './figures.js';
import * as format from './format.js';

export class Turn {
  /** `openReading(turn)` when the user wants to see what was read. */
  constructor(question, documents, openReading) {
    this.question = question;
    this.documents = documents;
    this.openReading = openReading;
    this.answer = '';
    this.end = null;  // the last chunk of the stream
    this.text = element('div', {className: 'answer'});
    this.progress = element('progress', {max: 1, value: 0, ariaLabel: 'Prompt read'});
    this.progressText = element('span', {textContent: 'Waiting for the server …'});
    this.wait = element('div', {className: 'wait'}, this.progress, this.progressText);
    this.foot = element('div', {className: 'foot'});
    this.element = element('li', {className: 'turn'}, this.makeQuestion(), this.text, this.wait, this.foot);
    this.started = performance.now();
    this.clock = setInterval(() => this.showWait(), 100);
  }

  /** Tokens of the conversation up to the end of this answer; undefined for one that was stopped. */
  get totalTokens() {
    return this.end?.usage.total_tokens;
  }

  /** What this turn added to the conversation, about. */
  get roughTokens() {
    return this.documents.reduce((sum, {tokens}) => sum + tokens, Math.ceil((this.question.length + this.answer.length) / 4));
  }

  makeQuestion() {
    const made = element('div', {className: 'question'});
    if (this.documents.length > 0) {
      made.append(element('ul', {className: 'chips', ariaLabel: 'Documents'}, ...this.documents.map((document) => chip(document))));
    }
    made.append(element('p', {textContent: this.question}));
    return made;
  }

  showWait() {
    const time = format.seconds(performance.now() - this.started);
    if (!this.read) {
      this.progressText.textContent = `Waiting for the server, ${time}`;
      this.progress.removeAttribute('value');
      return;
    }
    const {total, cache, processed} = this.read;
    const cached = cache > 0 ? `, ${format.count(cache)} of them from the cache` : '';
    this.progress.value = total > cache ? (processed - cache) / (total - cache) : 0;
    this.progressText.textContent = `Reading ${format.tokens(total)}${cached}: ${format.percent(this.progress.value)}, ${time}`;
  }

  /** A chunk of the stream. */
  take(chunk) {
    if (chunk.prompt_progress) {
      this.read = chunk.prompt_progress;
      this.showWait();
    }
    const delta = chunk.choices?.[0]?.delta?.content;
    if (delta) this.append(delta);
    const reason = chunk.choices?.[0]?.finish_reason;
    if (reason) this.finishReason = reason;
    if (chunk.usage && chunk.lazy) this.end = chunk;
  }

  append(delta) {
    this.stopWaiting();
    this.answer += delta;
    this.text.append(delta);
    announceStream(delta);
  }

  stopWaiting() {
    clearInterval(this.clock);
    this.wait.remove();
  }

  /** `note`: why the answer ended other than by itself. */
  finish(note = '') {
    this.stopWaiting();
    this.text.normalize();
    if (this.finishReason === 'length') note = 'Cut at its longest.';
    if (note) this.foot.append(element('p', {className: 'note', textContent: note}));
    if (this.end) {
      this.foot.append(figureList(this.end));
      if (this.end.lazy.tokens) {
        this.foot.append(element('button', {type: 'button', className: 'button quiet show-reading', textContent: 'What was read',
          onclick: () => this.openReading(this)}));
      }
    }
    endStream(note || 'End of the answer.');
  }

  fail(sentence) {
    this.stopWaiting();
    this.element.classList.add('failed');
    this.foot.append(element('p', {className: 'error', role: 'alert', textContent: sentence}));
  }
}
