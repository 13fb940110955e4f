// SPDX-License-Identifier: Apache-2.0
// The field for the question: grows with its text, counts its tokens, sends on Enter.

import {countTokens} from './api.js';
import {byId, debounced} from './dom.js';

export class Composer {
  /** `send()` when the user wants an answer; `changed()` when the text or its number of tokens changed. */
  constructor({send, changed}) {
    this.field = byId('question');
    this.tokens = 0;
    this.changed = changed;
    this.count = debounced(() => this.countNow(), 300);
    this.field.addEventListener('input', () => this.refresh());
    this.field.addEventListener('keydown', (event) => {
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      send();
    });
    byId('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      send();
    });
  }

  get text() {
    return this.field.value;
  }

  set text(text) {
    this.field.value = text;
    this.refresh();
  }

  focus() {
    this.field.focus();
  }

  refresh() {
    this.field.style.setProperty('height', 'auto');
    this.field.style.setProperty('height', `${this.field.scrollHeight}px`);
    this.changed();
    this.count();
  }

  async countNow() {
    const {text} = this;
    try {
      this.tokens = text.trim() === '' ? 0 : await countTokens(text);
    } catch {
      this.tokens = Math.ceil(text.length / 4);  // the server says the rest when the question is sent
    }
    this.changed();
  }
}
