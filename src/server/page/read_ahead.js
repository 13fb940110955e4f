// SPDX-License-Identifier: Apache-2.0
// Documents are read while the question is still being typed: the server keeps what it computed, and the question
// goes on from there.

import {streamChat} from './api.js';
import {debounced} from './dom.js';

export class ReadAhead {
  /** `body()`: the request that reads what is to be read, or null; `changed(share)`: 0 to 1, or null when nothing is read. */
  constructor({body, changed}) {
    this.body = body;
    this.changed = changed;
    this.asked = '';       // what was read or is being read
    this.running = null;   // its AbortController
    this.finished = Promise.resolve();
    this.waitedFor = false;  // by a question
    this.begin = debounced(() => this.read(), 400);
  }

  /** The documents, the settings or the conversation changed. */
  update() {
    this.begin();
  }

  /** Resolves when nothing is being read. A question waits for it: it would compute the same. */
  async done(signal) {
    signal.addEventListener('abort', () => this.running?.abort());
    this.waitedFor = true;
    await this.finished;
    this.waitedFor = false;
    if (this.running !== null) return;  // what is typed already for the next question
    this.asked = '';
    this.changed(null);  // at once: what was read is the question's now
  }

  read() {
    const body = this.body();
    const asked = body === null ? '' : JSON.stringify(body);
    if (asked === this.asked) return;
    this.asked = asked;
    if (!this.waitedFor) this.running?.abort();
    if (body === null) return this.changed(null);
    const running = new AbortController();
    this.running = running;
    this.finished = this.follow(body, running);
  }

  async follow(body, running) {
    try {
      this.changed(0);
      for await (const chunk of streamChat({...body, max_tokens: 0, return_progress: true}, running.signal)) {
        const progress = chunk.prompt_progress;
        if (progress && this.running === running) this.changed(progress.processed / progress.total);
      }
      if (this.running === running) this.changed(1);
    } catch {
      // Nobody asked for it: the question itself says what is wrong.
      if (this.running === running) {
        this.asked = '';
        this.changed(null);
      }
    }
    if (this.running === running) this.running = null;
  }
}
