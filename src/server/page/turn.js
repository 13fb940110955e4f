// SPDX-License-Identifier: Apache-2.0
// One question with its answer, and beside it perhaps the answer without skipping.

import {Answer} from './answer.js';
import {copyButton} from './copying.js';
import {chip} from './documents.js';
import {element} from './dom.js';
import {sourceList} from './sources.js';

/** The message that a question and its documents make, as `lazyllm run -f` does. */
export const contentOf = (question, documents) => [...documents.map(({text}) => text.replace(/\n+$/, '')), question].join('\n\n');

function button(className, textContent, onclick, title = '') {
  return element('button', {type: 'button', className: `button quiet ${className}`, textContent, onclick, title});
}

export class Turn {
  /** `actions`: {read(turn, token), retry(turn), edit(turn), compare(turn), goOn()}, called by the turn's buttons. */
  constructor(question, documents, actions) {
    this.question = question;
    this.documents = documents;
    this.actions = actions;
    this.answer = new Answer();
    this.dense = null;
    this.parts = element('div', {className: 'parts'}, this.answer.element);
    this.buttons = element('div', {className: 'turn-actions'});
    this.element = element('li', {className: 'turn'}, this.makeQuestion(), this.parts, this.buttons);
  }

  static restored({question, documents, answer, dense}, actions) {
    const turn = new Turn(question, documents, actions);
    turn.answer = Answer.restored(answer);
    turn.parts.replaceChildren(turn.answer.element);
    if (dense?.text) turn.showBeside(Answer.restored(dense));
    turn.showActions();
    return turn;
  }

  /** What is kept of it. */
  get record() {
    return {question: this.question, documents: this.documents, answer: this.answer.record, dense: this.dense?.record ?? null};
  }

  get content() {
    return contentOf(this.question, this.documents);
  }

  /** Tokens of the conversation up to the end of this answer; undefined for one that was stopped. */
  get totalTokens() {
    return this.answer.record.end?.usage.total_tokens;
  }

  /** What this turn added to the conversation, about. */
  get roughTokens() {
    const written = this.question.length + this.answer.record.text.length;
    return this.documents.reduce((sum, {tokens}) => sum + (tokens ?? 0), Math.ceil(written / 4));
  }

  makeQuestion() {
    const made = element('div', {className: 'question'});
    if (this.documents.length > 0) {
      made.append(element('ul', {className: 'chips', ariaLabel: 'Documents'}, ...this.documents.map((document) => chip(document))));
    }
    made.append(element('p', {textContent: this.question}));
    return made;
  }

  /** The answer is there: what can be done with it. */
  showActions() {
    const {end, text, note} = this.answer.record;
    this.sources ??= end ? sourceList(end, this.documents, (token) => this.actions.read(this, token)) : null;
    if (this.sources) this.buttons.before(this.sources);
    this.buttons.replaceChildren(...[
      end?.lazy.tokens && button('show-reading', 'What was read', () => this.actions.read(this)),
      text !== '' && copyButton(() => text, 'Copy the answer'),
      button('retry', 'Retry', () => this.actions.retry(this), 'Ask this question again; what follows it goes'),
      button('edit', 'Edit', () => this.actions.edit(this), 'Change this question; what follows it goes'),
      note.startsWith('Stopped at the limit') && button('go-on', 'Go on', () => this.actions.goOn(), 'Ask for the rest'),
      end && end.lazy.policy !== 'dense' && this.dense === null &&
        button('compare', 'Ask without skipping', () => this.actions.compare(this), 'The answer of the ordinary model, beside this one'),
    ].filter(Boolean));
  }

  /** Puts the answer without skipping beside the other; both get a heading. */
  showBeside(answer) {
    this.dense = answer;
    const headed = (text, part) => element('section', {className: 'column', ariaLabel: text}, element('h3', {textContent: text}), part);
    this.parts.classList.add('beside');
    this.parts.replaceChildren(headed('With skipping', this.answer.element), headed('Without skipping', answer.element));
  }

  /** It came to nothing: the first answer stands alone again. */
  removeBeside() {
    this.dense = null;
    this.parts.classList.remove('beside');
    this.parts.replaceChildren(this.answer.element);
  }

  fail(sentence) {
    this.element.classList.add('failed');
    this.answer.fail(sentence);
  }
}
