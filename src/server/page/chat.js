// SPDX-License-Identifier: Apache-2.0
// The conversation that is open: its turns on the page, and how it is kept.

import {byId} from './dom.js';
import * as store from './store.js';
import {Turn} from './turn.js';

const TAB = 'lazyllm.chat';  // sessionStorage: which conversation this tab has open
const PAUSE_MS = 1000;       // between two times of keeping it

const newId = () => `${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 10)}`;

export class Chat {
  /** `draft()`: {question, documents} that are not sent yet; `actions`: of the turns; `unkept()`: nothing can be kept here. */
  constructor({draft, actions, unkept}) {
    Object.assign(this, {draft, actions, unkept});
    this.timer = null;
    this.clear();
    window.addEventListener('pagehide', () => this.keep());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.keep();
    });
  }

  clear() {
    this.id = newId();
    this.changed = Date.now();
    this.turns = [];
    this.kept = '';  // what was kept last
    this.show();
  }

  show() {
    byId('turns').replaceChildren(...this.turns.map((turn) => turn.element));
    byId('welcome').hidden = this.turns.length > 0;
  }

  add(turn) {
    document.querySelectorAll('.turn.failed').forEach((failed) => failed.remove());
    this.turns.push(turn);
    byId('turns').append(turn.element);
    byId('welcome').hidden = true;
  }

  /** Takes back `turn` and what follows it. */
  removeFrom(turn) {
    const at = this.turns.indexOf(turn);
    if (at >= 0) this.turns.splice(at).forEach((gone) => gone.element.remove());
    byId('welcome').hidden = byId('turns').childElementCount > 0;
  }

  /** The turn came to nothing; its element stays until the next question, for what it says. */
  forget(turn) {
    this.turns = this.turns.filter((other) => other !== turn);
  }

  before(turn) {
    const at = this.turns.indexOf(turn);
    return at < 0 ? this.turns : this.turns.slice(0, at);
  }

  /** Messages up to the question of `turn`. */
  messages(turn) {
    return [...messagesOf(this.before(turn)), {role: 'user', content: turn.content}];
  }

  get record() {
    const {question, documents} = this.draft();
    return {id: this.id, changed: this.changed, draft: question, documents: documents.map(({name, text, tokens}) => ({name, text, tokens})),
      turns: this.turns.map((turn) => turn.record)};
  }

  keepSoon() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.keep();
    }, PAUSE_MS);
  }

  async keep() {
    const {record} = this;
    if (record.turns.length === 0 && record.documents.length === 0 && record.draft.trim() === '' && this.kept === '') return;
    record.changed = 0;
    const now = JSON.stringify(record);
    if (now === this.kept) return;
    this.kept = now;
    record.changed = this.changed = Date.now();
    sessionStorage.setItem(TAB, this.id);
    if (!await store.keep(record)) this.unkept();
  }

  /** Opens a kept conversation; returns its draft. */
  open(record) {
    this.id = record.id;
    this.changed = record.changed;
    this.turns = record.turns.map((turn) => Turn.restored(turn, this.actions));
    this.kept = '';
    sessionStorage.setItem(TAB, this.id);
    const draft = {question: record.draft ?? '', documents: record.documents ?? []};
    const last = this.turns.at(-1);
    if (last?.answer.isEmpty) {  // the page was left before the first word
      this.turns.pop();
      draft.documents = [...last.documents, ...draft.documents];
      draft.question ||= last.question;
    }
    this.show();
    return draft;
  }

  /** What this tab had open before it was loaded anew, or null. */
  static async last() {
    const id = sessionStorage.getItem(TAB);
    return id === null ? null : store.find(id);
  }

  static forgetLast() {
    sessionStorage.removeItem(TAB);
  }
}

export const messagesOf = (turns) =>
  turns.flatMap((turn) => [{role: 'user', content: turn.content}, {role: 'assistant', content: turn.answer.record.text}]);
